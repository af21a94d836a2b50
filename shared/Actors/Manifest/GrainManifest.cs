using Loire.Actors.Calls;
using Loire.Actors.Serialization;
using Loire.Actors.Streams;
using Orleans.Configuration;
using Orleans.Runtime;

namespace Loire.Actors.Manifest;

/// <summary>All grain interfaces and classes of the process.</summary>
internal sealed class GrainManifest : IManifestBuilder
{
    private readonly Dictionary<Type, GrainInterface> _interfaces = [];
    private readonly Dictionary<GrainType, GrainClass> _classes = [];
    private readonly Dictionary<ulong, WireMethod> _methods = [];
    private readonly GrainCollectionOptions _options;

    /// <exception cref="OrleansConfigurationException">Two classes have one grain type.</exception>
    public GrainManifest(GrainCollectionOptions options)
    {
        _options = options;
        AddRequest(StreamMethods.End.WireInterface.ToString(), StreamMethods.End.Alias, static () => new StreamEnd(default));
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

    public void AddRequest(string interfaceAlias, string methodAlias, Func<Request> rent) =>
        AddMethod(new WireMethod($"{interfaceAlias}/{methodAlias}", rent, null), interfaceAlias, methodAlias);

    public void AddStream(string interfaceAlias, string methodAlias, Func<StreamCall> create) =>
        AddMethod(new WireMethod($"{interfaceAlias}/{methodAlias}", null, create), interfaceAlias, methodAlias);

    /// <summary>The method with this number on the wire, or null.</summary>
    public WireMethod? MethodOf(ulong wireId) => _methods.GetValueOrDefault(wireId);

    public void AddGrain(Type grainClass, Func<GrainServices, object> create)
    {
        var added = new GrainClass(grainClass, create, _options);
        if (!_classes.TryAdd(added.GrainType, added))
        {
            throw new OrleansConfigurationException(
                $"{added.Name} and {_classes[added.GrainType].Name} both have the grain type '{added.GrainType}': give one of them a [GrainType].");
        }
    }

    private void AddMethod(WireMethod method, string interfaceAlias, string methodAlias)
    {
        var wireId = WireName.Of(interfaceAlias, methodAlias);
        if (!_methods.TryAdd(wireId, method) && _methods[wireId].Name != method.Name)
        {
            throw new OrleansConfigurationException($"{method.Name} and {_methods[wireId].Name} have the same number on the wire: give one of them another [Alias].");
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

/// <summary>One method as it is called from another process: makes the request that its arguments are read into.</summary>
internal sealed record WireMethod(string Name, Func<Request>? Rent, Func<StreamCall>? Stream);

/// <summary>One grain interface: its reference, and the classes that implement it.</summary>
internal sealed class GrainInterface(Type type, Func<ReferenceBinding, GrainReference> createReference)
{
    public GrainClass[] Classes { get; set; } = [];

    public GrainReference CreateReference(ReferenceBinding binding) => createReference(binding);

    // A client has the interfaces and not the classes: IOrderGrain is taken to be implemented by OrderGrain.
    private string? NameOfClass() => type.Name is ['I', var second, ..] && char.IsUpper(second) ? type.Name[1..] : null;

    /// <summary>The grain type that a key of this interface belongs to. Without a class in this process: the one that a class with the interface's name, without the I, would have.</summary>
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
            [] when prefix is null && NameOfClass() is { } name => GrainClass.GrainTypeOf(name),
            [] => throw new ArgumentException($"No grain class of this process implements {type.FullName}{(prefix is null ? "" : $" and begins with '{prefix}'")}."),
            _ => throw new ArgumentException(
                $"{type.FullName} is implemented by {string.Join(" and ", classes.Select(candidate => candidate.Name))}: say which with grainClassNamePrefix."),
        };
    }
}
