using System.Reflection;
using Orleans;
using Orleans.Concurrency;
using Orleans.Configuration;
using Orleans.Placement;
using Orleans.Runtime;

namespace Loire.Actors.Manifest;

/// <summary>What the runtime knows of one grain class; from its attributes and from generated code.</summary>
internal sealed class GrainClass
{
    private readonly Func<GrainServices, object>? _create;

    public GrainClass(Type type, Func<GrainServices, object> create, GrainCollectionOptions options)
    {
        _create = create;
        Name = type.FullName!;
        GrainType = GrainTypeOf(type);
        Placement = type.GetCustomAttribute<PlacementAttribute>()?.PlacementStrategy ?? RandomPlacement.Singleton;
        IsFilter = typeof(IIncomingGrainCallFilter).IsAssignableFrom(type);
        IsReentrant = type.IsDefined(typeof(ReentrantAttribute));
        IsKeptAlive = type.IsDefined(typeof(KeepAliveAttribute)) || type.GetCustomAttribute<CollectionAgeLimitAttribute>() is { AlwaysActive: true };
        AgeLimit = options.ClassSpecificCollectionAge.TryGetValue(Name, out var age) ? age : type.GetCustomAttribute<CollectionAgeLimitAttribute>()?.AgeLimit;
        Interfaces = [.. type.GetInterfaces().Where(IsGrainInterface)];
        Matches = type.Name;
    }

    private GrainClass()
    {
        Name = "observer";
        Placement = PreferLocalPlacement.Singleton;
        Interfaces = [];
        Matches = "";
        IsKeptAlive = true;
    }

    /// <summary>The class of activations behind observer references.</summary>
    public static GrainClass Observer { get; } = new();

    public string Name { get; }

    /// <summary>The class name without its namespace, for prefixes.</summary>
    public string Matches { get; }

    public GrainType GrainType { get; }

    public PlacementStrategy Placement { get; }

    public bool IsReentrant { get; }

    /// <summary>Whether the grain filters its own calls.</summary>
    public bool IsFilter { get; }

    public bool IsKeptAlive { get; }

    public TimeSpan? AgeLimit { get; }

    public Type[] Interfaces { get; }

    public object Create(Activation activation) =>
        _create?.Invoke(new GrainServices(activation)) ?? throw new InvalidOperationException("An observer is not made by the silo.");

    private static bool IsGrainInterface(Type type) =>
        type != typeof(IGrain)
        && typeof(IGrain).IsAssignableFrom(type)
        && type != typeof(IGrainWithStringKey)
        && type != typeof(IGrainWithIntegerKey)
        && type != typeof(IGrainWithGuidKey);

    private static GrainType GrainTypeOf(Type type)
    {
        if (type.GetCustomAttribute<GrainTypeAttribute>() is { } named)
        {
            return GrainType.Create(named.GrainType);
        }

        return GrainTypeOf(type.Name);
    }

    /// <summary>The grain type of a class with this name.</summary>
    public static GrainType GrainTypeOf(string className)
    {
        var name = className.ToLowerInvariant();
        const string suffix = "grain";
        return GrainType.Create(name.Length > suffix.Length && name.EndsWith(suffix, StringComparison.Ordinal) ? name[..^suffix.Length] : name);
    }
}
