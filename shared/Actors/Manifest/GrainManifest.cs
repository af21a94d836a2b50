using Loire.Actors.Serialization;
using Orleans.Configuration;
using Orleans.Runtime;

namespace Loire.Actors.Manifest;

/// <summary>All grain interfaces and classes of the process.</summary>
internal sealed class GrainManifest : IManifestBuilder
{
    private readonly Dictionary<Type, GrainInterface> _interfaces = [];
    private readonly Dictionary<GrainType, GrainClass> _classes = [];
    private readonly GrainCollectionOptions _options;

    /// <exception cref="OrleansConfigurationException">Two classes have one grain type.</exception>
    public GrainManifest(GrainCollectionOptions options)
    {
        _options = options;
        foreach (var manifest in AssemblyManifests.All())
        {
            manifest.Describe(this);
        }

        foreach (var (type, grainInterface) in _interfaces)
        {
            grainInterface.Classes = [.. _classes.Values.Where(grainClass => grainClass.Interfaces.Contains(type))];
        }
    }

    public int ClassCount => _classes.Count;

    /// <exception cref="OrleansException">No class of the process has this grain type.</exception>
    public GrainClass ClassOf(GrainType type) => _classes.GetValueOrDefault(type)
        ?? throw new OrleansException($"No grain class of this silo has the grain type '{type}'.");

    /// <exception cref="ArgumentException">No reference was generated for the interface.</exception>
    public GrainInterface InterfaceOf(Type type) => _interfaces.GetValueOrDefault(type)
        ?? throw new ArgumentException(
            $"{type.FullName} has no generated reference: it must derive from IGrain or IGrainObserver, and its project must import Loire.Actors.targets.");

    public void AddInterface(Type interfaceType, string alias, Func<ReferenceBinding, GrainReference> createReference) =>
        _interfaces[interfaceType] = new GrainInterface(interfaceType, createReference);

    public void AddGrain(Type grainClass, Func<GrainServices, object> create)
    {
        var added = new GrainClass(grainClass, create, _options);
        if (!_classes.TryAdd(added.GrainType, added))
        {
            throw new OrleansConfigurationException(
                $"{added.Name} and {_classes[added.GrainType].Name} both have the grain type '{added.GrainType}': give one of them a [GrainType].");
        }
    }

    public void AddCodec<T>(string alias, Func<Codec<T>> create)
    {
        // Codecs are the process's, not the silo's.
    }

    public void AddGenericCodec(Type definition, string alias, Type codec)
    {
        // The same.
    }
}

/// <summary>One grain interface: its reference, and the classes that implement it.</summary>
internal sealed class GrainInterface(Type type, Func<ReferenceBinding, GrainReference> createReference)
{
    public GrainClass[] Classes { get; set; } = [];

    public GrainReference CreateReference(ReferenceBinding binding) => createReference(binding);

    /// <summary>The grain type that a key of this interface belongs to.</summary>
    /// <exception cref="ArgumentException">No class implements it, or several do and the prefix does not single one out.</exception>
    public GrainType GrainTypeFor(string? prefix)
    {
        var classes = Classes;
        if (prefix is not null)
        {
            classes = [.. classes.Where(candidate =>
                candidate.Name.StartsWith(prefix, StringComparison.Ordinal) || candidate.Matches.StartsWith(prefix, StringComparison.Ordinal))];
        }

        return classes switch
        {
            [var one] => one.GrainType,
            [] => throw new ArgumentException($"No grain class of this process implements {type.FullName}{(prefix is null ? "" : $" and begins with '{prefix}'")}."),
            _ => throw new ArgumentException(
                $"{type.FullName} is implemented by {string.Join(" and ", classes.Select(candidate => candidate.Name))}: say which with grainClassNamePrefix."),
        };
    }
}
