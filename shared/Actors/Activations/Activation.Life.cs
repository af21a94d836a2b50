using Loire.Actors.Calls;
using Microsoft.Extensions.DependencyInjection;
using Orleans;
using Orleans.Runtime;

namespace Loire.Actors;

internal sealed partial class Activation
{
    private readonly List<GrainTimer> _timers = [];
    private TaskCompletionSource? _quiet;
    private DeactivationReason? _reason;
    private Dictionary<string, object>? _migration;
    private long _keepUntil;
    private bool _isMigrating;

    /// <summary>Starts to activate. Called once, after the catalog has it.</summary>
    public void Begin() => Post(BeginAsync);

    public void Deactivate(DeactivationReason deactivationReason, CancellationToken cancellationToken = default)
    {
        lock (_lock)
        {
            if (_reason is not null || _state == ActivationState.Ended)
            {
                return;
            }

            _reason = deactivationReason;
            if (_state != ActivationState.Valid)
            {
                return; // still activating: it ends as soon as it has begun
            }

            _state = ActivationState.Deactivating;
        }

        Post(EndAsync);
    }

    public void Migrate(Dictionary<string, object>? requestContext, CancellationToken cancellationToken = default)
    {
        lock (_lock)
        {
            if (_reason is not null)
            {
                return;
            }

            _isMigrating = true;
            _migration = requestContext;
        }

        Deactivate(new DeactivationReason(DeactivationReasonCode.Migrating, "The grain moves."), cancellationToken);
    }

    public void DelayDeactivation(TimeSpan span)
    {
        var time = Runtime.Time;
        lock (_lock)
        {
            _keepUntil = span <= TimeSpan.Zero ? 0
                : span == TimeSpan.MaxValue || span.TotalDays > short.MaxValue ? long.MaxValue
                : time.GetTimestamp() + Runtime.TicksOf(span);
        }
    }

    /// <summary>Ends the activation if nothing has used it for its age limit, or for <paramref name="ageLimit"/>.</summary>
    public void CollectIfIdle(long now, TimeSpan? ageLimit = null)
    {
        lock (_lock)
        {
            var limit = ageLimit ?? Class.AgeLimit ?? Runtime.CollectionAge;
            if (Class.IsKeptAlive
                || _state != ActivationState.Valid
                || _running.Count + _ready.Count + _waiting.Count > 0
                || now < _keepUntil
                || Runtime.Time.GetElapsedTime(_lastUsed, now) < limit)
            {
                return;
            }
        }

        Deactivate(new DeactivationReason(DeactivationReasonCode.ActivationIdle, "The grain was idle for longer than its age limit."));
    }

    public void Add(GrainTimer timer)
    {
        lock (_lock)
        {
            _timers.Add(timer);
        }
    }

    public void Remove(GrainTimer timer)
    {
        lock (_lock)
        {
            _timers.Remove(timer);
        }
    }

    /// <summary>Ends an observer's reference.</summary>
    public void EndObserver()
    {
        FailAll(TakeOver(), _ => new ClientNotAvailableException($"The observer reference {GrainId} was deleted."));
        _deactivated.TrySetResult();
    }

    private async Task BeginAsync()
    {
        using var timeout = new CancellationTokenSource(Runtime.ActivationTimeout, Runtime.Time);
        try
        {
            // 1. One activation in the cluster: whoever is in the directory already wins.
            if (await Runtime.Locator.RegisterAsync(this, timeout.Token) is { } winner)
            {
                EndAsDuplicate(winner);
                return;
            }

            // 2. The object, with what the one before it left.
            RequestContext.Values = Origin?.Context;
            _services = Runtime.Services.CreateAsyncScope();
            GrainInstance = Class.Create(this);
            Participate(GrainInstance);
            Rehydrate();

            // 3. Its state, then its own code.
            await _lifecycle.StartAsync(timeout.Token).WaitAsync(timeout.Token);
            if (GrainInstance is IGrainBase grain)
            {
                await grain.OnActivateAsync(timeout.Token).WaitAsync(timeout.Token);
            }
        }
        catch (Exception exception)
        {
            await FailToBeginAsync(exception, timeout.IsCancellationRequested);
            return;
        }

        Origin = null;
        BecomeValid();
    }

    private void Participate(object instance)
    {
        if (instance is ILifecycleParticipant<IGrainLifecycle> participant)
        {
            participant.Participate(_lifecycle);
        }

        if (instance is IGrainMigrationParticipant migrates)
        {
            _lifecycle.AddMigrationParticipant(migrates);
        }
    }

    private void Rehydrate()
    {
        if (Origin?.Rehydration is not { } context)
        {
            return;
        }

        foreach (var participant in _lifecycle.Participants)
        {
            participant.OnRehydrate(context);
        }
    }

    private void BecomeValid()
    {
        var end = false;
        lock (_lock)
        {
            Touch();
            end = _reason is not null;
            _state = end ? ActivationState.Deactivating : ActivationState.Valid;
            AdmitAll();
        }

        if (end)
        {
            Post(EndAsync);
        }
    }

    private async Task FailToBeginAsync(Exception exception, bool timedOut)
    {
        var reported = timedOut && exception is OperationCanceledException
            ? new TimeoutException($"{GrainId} did not activate within {Runtime.ActivationTimeout}.", exception)
            : exception;
        Runtime.Log.ActivationFailed(reported, GrainId);
        await CleanUpAsync(CancellationToken.None);
        await CallAsync("directory", _ => Runtime.Locator.UnregisterAsync(this), CancellationToken.None);
        Runtime.Catalog.Remove(this);
        FailAll(TakeOver(), _ => reported);
        _deactivated.TrySetResult();
    }

    private void EndAsDuplicate(GrainAddress winner)
    {
        Runtime.Catalog.Remove(this);
        var rest = TakeOver();
        _deactivated.TrySetResult();
        foreach (var request in rest)
        {
            Runtime.Forward(request, winner);
        }
    }

    private async Task EndAsync()
    {
        var reason = _reason ?? new DeactivationReason(DeactivationReasonCode.RuntimeRequested, "");
        using var timeout = new CancellationTokenSource(Runtime.DeactivationTimeout, Runtime.Time);

        // 1. What runs may finish, within a bound.
        await WaitUntilQuietAsync(timeout.Token);
        StopTimers();

        // 2. What is to travel is packed before the grain's own clean-up.
        var move = _isMigrating ? await PackAsync(timeout.Token) : null;

        // 3. The grain's own code, which may say more to readers of its streams than that they are cut off, as they are after it; then its state's.
        await CallAsync(nameof(Grain.OnDeactivateAsync), token =>
            GrainInstance is IGrainBase grain ? grain.OnDeactivateAsync(reason, token).WaitAsync(token) : Task.CompletedTask, timeout.Token);
        await EndStreamsAsync(timeout.Token);
        await CleanUpAsync(timeout.Token);

        // 4. Out of the directory, or the successor takes the place there; calls that waited go to it, in order.
        if (move is { } leaving && leaving.To != Runtime.Address && await HandOverAsync(leaving))
        {
            Leave(successor: null, new GrainAddress { GrainId = GrainId, SiloAddress = leaving.To });
            return;
        }

        await CallAsync("directory", _ => Runtime.Locator.UnregisterAsync(this), timeout.Token);
        Leave(move is { } staying && staying.To == Runtime.Address ? new Activation(Runtime, Class, GrainId, staying.Origin) : null, to: null);
    }

    private void Leave(Activation? successor, GrainAddress? to)
    {
        Runtime.Catalog.Replace(this, successor);
        var rest = TakeOver();
        successor?.Begin();
        _deactivated.TrySetResult();
        foreach (var request in rest)
        {
            Runtime.Forward(request, to);
        }
    }

    private async Task<bool> HandOverAsync(Move move)
    {
        try
        {
            await Runtime.ControlOf(move.To).Accept(new MovingActivation
            {
                GrainId = GrainId,
                ActivationId = ActivationId.Key,
                From = Runtime.Address,
                Values = [.. move.Values.Values.Select(value => new MovingValue(value.Key, value.Value))],
                Context = move.Origin.Context,
            });
            return true;
        }
        catch (Exception exception)
        {
            Runtime.Log.NotMoved(exception, GrainId, move.To, move.Values.Bytes);
            return false;
        }
    }

    private async Task WaitUntilQuietAsync(CancellationToken cancellationToken)
    {
        Task quiet;
        lock (_lock)
        {
            if (IsQuiet())
            {
                return;
            }

            _quiet = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            quiet = _quiet.Task;
        }

        try
        {
            await quiet.WaitAsync(cancellationToken);
        }
        catch (OperationCanceledException)
        {
            Runtime.Log.EndedWhileRunning(GrainId, Runtime.DeactivationTimeout);
        }
    }

    private void StopTimers()
    {
        GrainTimer[] timers;
        lock (_lock)
        {
            timers = [.. _timers];
            _timers.Clear();
        }

        foreach (var timer in timers)
        {
            timer.Dispose();
        }
    }

    private async Task<Move?> PackAsync(CancellationToken cancellationToken)
    {
        try
        {
            var context = new MigrationContext(Runtime);
            foreach (var participant in _lifecycle.Participants)
            {
                participant.OnDehydrate(context);
            }

            if (context.Bytes > Runtime.Transport.MaxMigrationBytes)
            {
                throw new OrleansException(
                    $"{GrainId} has {context.Bytes:N0} bytes to take along, and {nameof(Transport.TransportOptions)}.{nameof(Transport.TransportOptions.MaxMigrationBytes)} is {Runtime.Transport.MaxMigrationBytes:N0}: take along a reference to the state, not the state, or raise the limit.");
            }

            var to = await Runtime.Locator.PlaceSuccessorAsync(this, _migration, cancellationToken);
            return new Move(to, context, new ActivationOrigin(_migration, context));
        }
        catch (Exception exception)
        {
            // It ends all the same, and the next call makes a new one without what was packed.
            Runtime.Log.MigrationFailed(exception, GrainId);
            return null;
        }
    }

    private async Task CleanUpAsync(CancellationToken cancellationToken)
    {
        await CallAsync("lifecycle", token => _lifecycle.StopAsync((exception, name) => Runtime.Log.DeactivationFailed(exception, GrainId, name), token), cancellationToken);
        await CallAsync("disposal", async _ =>
        {
            switch (GrainInstance)
            {
                case IAsyncDisposable instance:
                    await instance.DisposeAsync();
                    break;
                case IDisposable instance:
                    instance.Dispose();
                    break;
            }

            if (_services is { } services)
            {
                await services.DisposeAsync();
            }
        }, cancellationToken);
        _services = null;
    }

    private async Task CallAsync(string what, Func<CancellationToken, Task> step, CancellationToken cancellationToken)
    {
        try
        {
            await step(cancellationToken);
        }
        catch (Exception exception)
        {
            Runtime.Log.DeactivationFailed(exception, GrainId, what);
        }
    }

    /// <summary>Marks the activation as ended and gives out the calls that never started.</summary>
    private List<Request> TakeOver()
    {
        var rest = new List<Request>();
        lock (_lock)
        {
            _state = ActivationState.Ended;
            if (_running.Count + _ready.Count == 0)
            {
                // References that remember this activation do not keep the grain's object in memory.
                GrainInstance = null;
            }

            while (_waiting.First is { } request)
            {
                _waiting.Remove(request);
                rest.Add(request);
            }
        }

        return rest;
    }

    private static void FailAll(List<Request> requests, Func<Request, Exception> reason)
    {
        foreach (var request in requests)
        {
            request.TryFail(reason(request));
            request.LetGo();
        }
    }

    /// <summary>Where a moving activation goes, and with what.</summary>
    private sealed record Move(SiloAddress To, MigrationContext Values, ActivationOrigin Origin);
}
