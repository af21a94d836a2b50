using Loire.Actors.Calls;
using Loire.Actors.Manifest;
using Orleans.GrainDirectory;
using Orleans.Runtime;
using Orleans.Runtime.Placement;

namespace Loire.Actors;

/// <summary>Says on which silo a grain is, or is to be: the directory first, then placement.</summary>
internal sealed class GrainLocator(SiloRuntime runtime, IGrainDirectory directory, PlacementService placement)
{
    private int _nextGateway;

    /// <summary>The silo that has, or is to have, the grain that a request is for.</summary>
    public async ValueTask<SiloAddress> LocateAsync(GrainClass grainClass, Request request)
    {
        if (!grainClass.Placement.IsUsingGrainDirectory)
        {
            return runtime.Address;
        }

        if (await FindAsync(request.Target.GrainId).ConfigureAwait(false) is { } found)
        {
            request.IsPlaced = false;
            return found;
        }

        request.IsPlaced = true;
        return await PlaceAsync(grainClass, request).ConfigureAwait(false);
    }

    /// <summary>The silo that has the grain, by the directory; null when it is nowhere.</summary>
    public async ValueTask<SiloAddress?> FindAsync(GrainId grainId)
    {
        var entry = await AskAsync(grainId, directory.Lookup(grainId)).ConfigureAwait(false);
        return entry?.SiloAddress is { } silo && !runtime.IsDead(silo) ? silo : null;
    }

    /// <summary>The silo that is to have the grain.</summary>
    public Task<SiloAddress> PlaceAsync(GrainClass grainClass, Request request) =>
        placement.PlaceAsync(grainClass, new PlacementTarget(request.Target.GrainId, request.Context ?? [], request.Method.WireInterface, 0));

    /// <summary>A silo that a client may ask; another one each time.</summary>
    /// <exception cref="SiloUnavailableException">There is none.</exception>
    public SiloAddress Gateway()
    {
        var active = runtime.Membership.CurrentSnapshot.Members.Values
            .Where(member => member.Status == SiloStatus.Active)
            .Select(member => member.SiloAddress)
            .Order()
            .ToArray();
        return active.Length > 0
            ? active[(uint)Interlocked.Increment(ref _nextGateway) % (uint)active.Length]
            : throw new SiloUnavailableException("No silo of the cluster is active: start one, or look why they stopped.");
    }

    /// <summary>Takes all activations of dead silos out of the directory.</summary>
    public Task ForgetSilosAsync(List<SiloAddress> silos) => directory.UnregisterSilos(silos);

    /// <summary>Registers an activation; returns the one that was there first, or null.</summary>
    public Task<GrainAddress?> RegisterAsync(Activation activation, CancellationToken cancellationToken) =>
        activation.Class.Placement.IsUsingGrainDirectory
            ? AskAsync(activation.GrainId, RegisterWhereNoneIsAsync(activation, cancellationToken))
            : Task.FromResult<GrainAddress?>(null);

    private async Task<GrainAddress?> RegisterWhereNoneIsAsync(Activation activation, CancellationToken cancellationToken)
    {
        var address = activation.Address;
        var registered = await directory.Register(address, activation.Origin?.Previous).WaitAsync(cancellationToken);
        if (registered?.SiloAddress is { } other && other != runtime.Address && runtime.IsDead(other))
        {
            await directory.UnregisterSilos([other]).WaitAsync(cancellationToken);
            registered = await directory.Register(address).WaitAsync(cancellationToken);
        }

        if (registered?.SiloAddress == runtime.Address && !address.Matches(registered))
        {
            // This silo's catalog has this activation and no other, so the entry is one that could not be removed.
            await directory.Unregister(registered).WaitAsync(cancellationToken);
            registered = await directory.Register(address).WaitAsync(cancellationToken);
        }

        return address.Matches(registered) ? null : registered;
    }

    public Task UnregisterAsync(Activation activation) =>
        activation.Class.Placement.IsUsingGrainDirectory ? directory.Unregister(activation.Address) : Task.CompletedTask;

    /// <summary>The silo that an activation which moves is to go to.</summary>
    public Task<SiloAddress> PlaceSuccessorAsync(Activation activation, Dictionary<string, object>? context, CancellationToken cancellationToken) =>
        placement.PlaceAsync(activation.Class, new PlacementTarget(activation.GrainId, context ?? [], default, 0)).WaitAsync(cancellationToken);

    /// <summary>A directory that does not answer or takes nothing is no fault of the call: its caller is told that the grain's code did not run, and may ask again.</summary>
    /// <exception cref="OrleansMessageRejectionException">The directory failed; says how.</exception>
    private static async Task<T> AskAsync<T>(GrainId grainId, Task<T> answer)
    {
        try
        {
            return await answer.ConfigureAwait(false);
        }
        catch (OrleansException fault) when (fault is not OrleansMessageRejectionException)
        {
            throw new OrleansMessageRejectionException($"Where {grainId} is cannot be said: {fault.Message}", fault);
        }
    }
}
