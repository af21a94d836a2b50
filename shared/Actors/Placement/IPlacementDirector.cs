namespace Orleans.Runtime.Placement;

/// <summary>Chooses the silo of a new activation for one kind of <see cref="PlacementStrategy"/>.</summary>
public interface IPlacementDirector
{
    /// <summary>The request context key under which a caller, or a grain about to migrate, names the silo it wants.</summary>
    public const string PlacementHintKey = nameof(PlacementHintKey);

    /// <summary>Returns the silo that is to host <paramref name="target"/>.</summary>
    Task<SiloAddress> OnAddActivation(PlacementStrategy strategy, PlacementTarget target, IPlacementContext context);

    /// <summary>The silo that the request context asks for, if it is among the compatible ones.</summary>
    public static SiloAddress? GetPlacementHint(Dictionary<string, object> requestContextData, SiloAddress[] compatibleSilos) =>
        requestContextData is { Count: > 0 }
        && requestContextData.TryGetValue(PlacementHintKey, out var value)
        && value is SiloAddress hint
        && compatibleSilos.Contains(hint)
            ? hint
            : null;
}

/// <summary>What a director knows of the cluster.</summary>
public interface IPlacementContext
{
    /// <summary>The silo that places.</summary>
    SiloAddress LocalSilo { get; }

    /// <summary>Its status.</summary>
    SiloStatus LocalSiloStatus { get; }

    /// <summary>The active silos that have the target's grain class.</summary>
    /// <exception cref="SiloUnavailableException">There is none.</exception>
    SiloAddress[] GetCompatibleSilos(PlacementTarget target);
}

/// <summary>The grain that is to be placed, and what the caller said about it.</summary>
public readonly struct PlacementTarget(
    GrainId grainIdentity, Dictionary<string, object> requestContextData, GrainInterfaceType interfaceType, ushort interfaceVersion)
{
    /// <summary>The grain.</summary>
    public GrainId GrainIdentity { get; } = grainIdentity;

    /// <summary>The interface that was called.</summary>
    public GrainInterfaceType InterfaceType { get; } = interfaceType;

    /// <summary>Its version; always 0 here.</summary>
    public ushort InterfaceVersion { get; } = interfaceVersion;

    /// <summary>The caller's request context.</summary>
    public Dictionary<string, object> RequestContextData { get; } = requestContextData;
}
