using Orleans.Runtime;

namespace Orleans.GrainDirectory;

/// <summary>Where the cluster's activations are: one a grain.</summary>
public interface IGrainDirectory
{
    /// <summary>Registers an activation unless the grain has one; returns the one that is registered now.</summary>
    Task<GrainAddress?> Register(GrainAddress address);

    /// <summary>Registers an activation in the place of the one that it follows, in one step where the directory can; returns the one that is registered now.</summary>
    async Task<GrainAddress?> Register(GrainAddress address, GrainAddress? previousAddress)
    {
        if (previousAddress is not null)
        {
            await Unregister(previousAddress);
        }

        return await Register(address);
    }

    /// <summary>Removes the activation, if it is the one that is registered.</summary>
    Task Unregister(GrainAddress address);

    /// <summary>The grain's activation, or null.</summary>
    Task<GrainAddress?> Lookup(GrainId grainId);

    /// <summary>Removes all activations of silos that are dead.</summary>
    Task UnregisterSilos(List<SiloAddress> siloAddresses);
}
