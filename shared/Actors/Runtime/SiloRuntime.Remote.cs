using System.Collections.Concurrent;
using Loire.Actors.Calls;
using Loire.Actors.Manifest;
using Loire.Actors.Transport;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Orleans.Runtime;

namespace Loire.Actors;

/// <remarks>
/// A call to another silo: 1. the link of the reference's last call; 2. else where this silo last found the grain; 3. else the directory, then placement.
/// A silo that is asked for a grain that it does not have looks in the directory, and refuses with where the grain is;
/// it activates the grain only if the caller's silo placed it there.
/// </remarks>
internal sealed partial class SiloRuntime
{
    private const int KnownLocations = 100_000;
    private const int KnownDead = 1_000;

    private static readonly TimeSpan FirstPause = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(1);

    private readonly ConcurrentDictionary<GrainId, SiloAddress> _locations = new();
    private readonly ConcurrentDictionary<SiloAddress, bool> _dead = new();
    private TaskCompletionSource _membershipChanged = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Takes a call from another process.</summary>
    public void Receive(Request request)
    {
        try
        {
            if (request.Target.LastActivation is not { } last || !last.TryReceive(request))
            {
                RouteInbound(request);
            }
        }
        catch (Exception exception)
        {
            Fail(request, exception);
        }
    }

    /// <summary>Another silo does not have the grain that a call was for.</summary>
    public void Rejected(Request request, SiloAddress by, SiloAddress? to, bool placed)
    {
        request.SentOn = null;
        Forget(request.Target, by);
        if (request.IsAnswered)
        {
            request.LetGo();
        }
        else if (request.Forwards++ >= MaxForwards)
        {
            Fail(request, TooManyForwards(request));
        }
        else if (to is null)
        {
            request.IsPlaced = false;
            if (request.Forwards > 2)
            {
                _ = RetryAsync(request);
            }
            else
            {
                Route(request);
            }
        }
        else
        {
            request.IsPlaced = placed;
            SendTo(request, to);
        }
    }

    /// <summary>A call was not sent, since its silo could not be reached.</summary>
    public void Unreachable(Request request, SiloAddress silo, Exception reason)
    {
        request.SentOn = null;
        Forget(request.Target, silo);
        var isOneWay = (request.Options & CallOptions.OneWay) != 0;
        if (request.IsAnswered && !isOneWay)
        {
            request.LetGo();
        }
        else if (ObserverRegistry.SiloOf(request.Target.GrainId) is not null)
        {
            Fail(request, LinkTable.IsClient(silo)
                ? new ClientNotAvailableException($"{request} is for the client {silo}, which has no connection to {Address}.")
                : new SiloUnavailableException($"{request} could not be sent: {reason.Message}", reason));
        }
        else if ((IsDead(silo) || isOneWay) && request.Forwards++ >= MaxForwards)
        {
            Fail(request, new SiloUnavailableException($"{request} could not be sent to silo {silo}: {reason.Message}", reason));
        }
        else if (!Links.CanDial(silo) && !LinkTable.IsClient(silo))
        {
            Fail(request, new SiloUnavailableException($"{request} could not be sent to silo {silo}: {reason.Message}", reason));
        }
        else
        {
            request.IsPlaced = false;
            _ = RetryAsync(request, atOnce: IsDead(silo));
        }
    }

    /// <summary>Whether membership has declared this life of a silo dead.</summary>
    public bool IsDead(SiloAddress silo) => _dead.ContainsKey(silo) || Membership.CurrentSnapshot.GetSiloStatus(silo) == SiloStatus.Dead;

    /// <summary>Follows membership until the process stops.</summary>
    public async Task WatchMembershipAsync(CancellationToken cancellationToken)
    {
        try
        {
            await foreach (var snapshot in Membership.MembershipUpdates.WithCancellation(cancellationToken).ConfigureAwait(false))
            {
                await OnMembershipAsync(snapshot).ConfigureAwait(false);
            }
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            // The process stops.
        }
        catch (Exception exception)
        {
            Log.MembershipLost(exception);
        }
    }

    /// <summary>Ends as a crash would, for tests: connections break, and nothing is cleaned up.</summary>
    public Task CrashAsync()
    {
        Catalog.Crash();
        Deadlines.Dispose();
        Links.Dispose();
        return Task.CompletedTask;
    }

    private async Task OnMembershipAsync(ClusterMembershipSnapshot snapshot)
    {
        var died = new List<SiloAddress>();
        foreach (var silo in snapshot.Members.Keys.Concat(Links.Peers))
        {
            if (silo != Address && snapshot.GetSiloStatus(silo) == SiloStatus.Dead && _dead.TryAdd(silo, true))
            {
                died.Add(silo);
            }
        }

        if (_dead.Count > KnownDead)
        {
            foreach (var silo in _dead.Keys.Where(silo => !snapshot.Members.ContainsKey(silo)).ToArray())
            {
                _dead.TryRemove(silo, out _);
            }
        }

        Links.OpenAll();

        if (!IsClient && snapshot.GetSiloStatus(Address) == SiloStatus.Dead && !Catalog.IsClosed)
        {
            await EndDeclaredDeadAsync().ConfigureAwait(false);
        }

        foreach (var silo in died)
        {
            foreach (var (grainId, where) in _locations)
            {
                if (where == silo)
                {
                    _locations.TryRemove(new(grainId, where));
                }
            }

            Links.End(silo);
            Log.SiloDied(silo);
        }

        Interlocked.Exchange(ref _membershipChanged, new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)).TrySetResult();
        if (died.Count > 0 && !IsClient)
        {
            try
            {
                await Locator.ForgetSilosAsync(died).ConfigureAwait(false);
            }
            catch (Exception exception)
            {
                Log.DirectoryNotCleaned(exception);
            }
        }
    }

    // Others activate this silo's grains from now on: what it holds ends at once, and the process is asked to stop.
    private async Task EndDeclaredDeadAsync()
    {
        Log.DeclaredDead(Address);
        Links.Dispose();
        using var timeout = new CancellationTokenSource(DeactivationTimeout, Time);
        var ending = Catalog.CloseAsync(timeout.Token);
        Services.GetService<IHostApplicationLifetime>()?.StopApplication();
        await ending.ConfigureAwait(false);
    }

    private void RouteInbound(Request request)
    {
        var grainId = request.Target.GrainId;
        if (ObserverRegistry.IsObserver(grainId))
        {
            ToObserver(request, grainId);
            return;
        }

        while (Catalog.Find(grainId) is { } found)
        {
            if (found.TryReceive(request))
            {
                request.Target.LastActivation = found;
                return;
            }

            Catalog.Remove(found);
        }

        var grainClass = Manifest.ClassOf(grainId.Type);
        if (!grainClass.Placement.IsUsingGrainDirectory)
        {
            Deliver(request, grainClass);
            return;
        }

        _ = LocateInboundAsync(request, grainClass);
    }

    private async Task LocateInboundAsync(Request request, GrainClass grainClass)
    {
        var caller = request.Caller!;
        Deadlines.BeginRouting(request);
        try
        {
            SiloAddress? silo;
            var placed = false;
            try
            {
                silo = await Locator.FindAsync(request.Target.GrainId).ConfigureAwait(false);
                if (silo is null && caller.AsksWhere && !caller.IsPlaced) // two silos that would choose differently do not send it to and fro
                {
                    silo = await Locator.PlaceAsync(grainClass, request).ConfigureAwait(false);
                    placed = true;
                }
            }
            finally
            {
                Deadlines.EndRouting(request);
            }

            var isHere = silo == Address || (silo is null && caller.IsPlaced);
            if (isHere && !Catalog.IsClosed)
            {
                Deliver(request, grainClass);
            }
            else
            {
                Refuse(request, isHere ? null : silo, placed);
            }
        }
        catch (Exception exception)
        {
            Fail(request, exception);
        }
    }

    // The caller's silo sends it again. A call that nobody waits for has no caller to tell, so it goes on from here.
    private void Refuse(Request request, SiloAddress? to, bool placed)
    {
        var caller = request.Caller!;
        if ((request.Options & CallOptions.OneWay) != 0)
        {
            request.Caller = null;
            Rejected(request, Address, to, placed);
        }
        else
        {
            if (request.ClaimAnswer())
            {
                caller.Reject(to, placed);
            }

            request.LetGo();
        }
    }

    private void SendTo(Request request, SiloAddress silo)
    {
        if (silo == Address)
        {
            Deliver(request, Manifest.ClassOf(request.Target.GrainId.Type));
            return;
        }

        Remember(request.Target, silo);
        var link = Links.Get(silo);
        request.Target.LastLink = link;
        link.Send(request);
    }

    private async Task RetryAsync(Request request, bool atOnce = false)
    {
        Deadlines.BeginRouting(request);
        try
        {
            try
            {
                if (!atOnce)
                {
                    await PauseAsync(request).ConfigureAwait(false);
                }
                else
                {
                    await Task.CompletedTask.ConfigureAwait(ConfigureAwaitOptions.ForceYielding);
                }
            }
            finally
            {
                Deadlines.EndRouting(request);
            }

            if (request.IsAnswered && (request.Options & CallOptions.OneWay) == 0)
            {
                request.LetGo();
            }
            else
            {
                Route(request);
            }
        }
        catch (Exception exception)
        {
            Fail(request, exception);
        }
    }

    // Half as long as the call has waited already, or until membership says something new.
    private async Task PauseAsync(Request request)
    {
        var waited = Time.GetElapsedTime(request.SentAt) / 2;
        var pause = waited < FirstPause || request.SentAt == 0 ? FirstPause : waited > LongestPause ? LongestPause : waited;
        using var over = new CancellationTokenSource(pause, Time);
        try
        {
            await Volatile.Read(ref _membershipChanged).Task.WaitAsync(over.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            // Membership has nothing new.
        }
    }

    private void Remember(GrainReference target, SiloAddress silo)
    {
        if (_locations.Count >= KnownLocations)
        {
            _locations.Clear(); // what is still in use is found again
        }

        _locations[target.GrainId] = silo;
    }

    private void Forget(GrainReference target, SiloAddress silo)
    {
        _locations.TryRemove(new(target.GrainId, silo));
        if (target.LastLink?.Peer == silo)
        {
            target.LastLink = null;
        }
    }

    private static OrleansMessageRejectionException TooManyForwards(Request request) =>
        new($"{request} was forwarded {MaxForwards} times: its grain ends as soon as it begins, or moves faster than calls can follow.");
}
