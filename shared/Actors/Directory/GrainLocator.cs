using Loire.Actors.Calls;
using Loire.Actors.Manifest;
using Orleans.GrainDirectory;
using Orleans.Runtime;
using Orleans.Runtime.Placement;

namespace Loire.Actors;

/// <summary>Says on which silo a grain is, or is to be: the directory first, then placement.</summary>
internal sealed class GrainLocator(SiloRuntime runtime, IGrainDirectory directory, PlacementService placement)
{
    /// <summary>The silo that has, or is to have, the grain that a request is for.</summary>
    public async ValueTask<SiloAddress> LocateAsync(GrainClass grainClass, Request request)
    {
        if (!grainClass.Placement.IsUsingGrainDirectory)
        {
            return runtime.Address;
        }

        var grainId = request.Target.GrainId;
        var entry = await directory.Lookup(grainId).ConfigureAwait(false);
        return entry?.SiloAddress
            ?? await placement.PlaceAsync(grainClass, new PlacementTarget(grainId, request.Context ?? [], request.Method.WireInterface, 0)).ConfigureAwait(false);
    }

    /// <summary>Registers an activation; returns the one that was there first, or null.</summary>
    public async Task<GrainAddress?> RegisterAsync(Activation activation, CancellationToken cancellationToken)
    {
        if (!activation.Class.Placement.IsUsingGrainDirectory)
        {
            return null;
        }

        var address = activation.Address;
        var registered = await directory.Register(address).WaitAsync(cancellationToken);
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

    /// <summary>Makes the activation that one which moves is followed by. It begins when the old one has ended.</summary>
    public async Task<Activation> PlaceSuccessorAsync(Activation activation, ActivationOrigin origin, CancellationToken cancellationToken)
    {
        var target = new PlacementTarget(activation.GrainId, origin.Context ?? [], default, 0);
        var silo = await placement.PlaceAsync(activation.Class, target).WaitAsync(cancellationToken);
        return silo == runtime.Address
            ? new Activation(runtime, activation.Class, activation.GrainId, origin)
            : throw new SiloUnavailableException($"{activation.GrainId} was to move to {silo}, but {runtime.Address} has no link to it.");
    }
}
