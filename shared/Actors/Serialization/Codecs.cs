using System.Collections.Concurrent;
using System.Collections.Immutable;
using System.Diagnostics.CodeAnalysis;
using Loire.Actors.Manifest;
using Orleans.Runtime;

namespace Loire.Actors.Serialization;

/// <summary>All codecs of the process: built in, for collections, and generated.</summary>
public static class Codecs
{
    private static readonly ConcurrentDictionary<Type, Codec?> ByType = new(BuiltInCodecs.All().ToDictionary(codec => codec.ValueType, codec => (Codec?)codec));
    private static readonly ConcurrentDictionary<string, Codec> ByAlias = new(
        ByType.Values.OfType<Codec>().ToDictionary(codec => codec.Alias, StringComparer.Ordinal), StringComparer.Ordinal);
    private static readonly ConcurrentDictionary<Type, (string Alias, Type Codec)> Generic = new();
    private static readonly ConcurrentDictionary<System.Reflection.Assembly, bool> Loaded = new();
    private static readonly Lazy<bool> AllLoaded = new(LoadAll);

    private static readonly Dictionary<Type, Type> Collections = new()
    {
        [typeof(List<>)] = typeof(ListCodec<>),
        [typeof(IList<>)] = typeof(ListInterfaceCodec<>),
        [typeof(ICollection<>)] = typeof(CollectionInterfaceCodec<>),
        [typeof(IReadOnlyList<>)] = typeof(ReadOnlyListCodec<>),
        [typeof(IReadOnlyCollection<>)] = typeof(ReadOnlyCollectionCodec<>),
        [typeof(IEnumerable<>)] = typeof(EnumerableCodec<>),
        [typeof(HashSet<>)] = typeof(HashSetCodec<>),
        [typeof(Dictionary<,>)] = typeof(DictionaryCodec<,>),
        [typeof(IDictionary<,>)] = typeof(DictionaryInterfaceCodec<,>),
        [typeof(IReadOnlyDictionary<,>)] = typeof(ReadOnlyDictionaryCodec<,>),
        [typeof(ImmutableArray<>)] = typeof(ImmutableArrayCodec<>),
        [typeof(ImmutableList<>)] = typeof(ImmutableListCodec<>),
        [typeof(ImmutableHashSet<>)] = typeof(ImmutableHashSetCodec<>),
        [typeof(ImmutableDictionary<,>)] = typeof(ImmutableDictionaryCodec<,>),
        [typeof(Nullable<>)] = typeof(NullableCodec<>),
        [typeof(KeyValuePair<,>)] = typeof(KeyValuePairCodec<,>),
        [typeof(ValueTuple<,>)] = typeof(TupleCodec<,>),
        [typeof(ValueTuple<,,>)] = typeof(TupleCodec<,,>),
        [typeof(ValueTuple<,,,>)] = typeof(TupleCodec<,,,>),
    };

    /// <summary>The codec of a type.</summary>
    /// <exception cref="OrleansException">It has none.</exception>
    public static Codec<T> Get<T>() => Cache<T>.Value ?? throw Missing(typeof(T));

    internal static bool TryGet<T>([NotNullWhen(true)] out Codec<T>? codec)
    {
        codec = Cache<T>.Value;
        return codec is not null;
    }

    internal static Codec Of(Type type) => Find(type) ?? throw Missing(type);

    internal static Codec? TryOf(Type type) => Find(type);

    internal static Codec? Named(string alias) => AllLoaded.Value ? ByAlias.GetValueOrDefault(alias) : null;

    private static OrleansException Missing(Type type) =>
        new($"{type.FullName} cannot be copied or sent: mark it [GenerateSerializer] and number its members with [Id].");

    private static Codec? Find(Type type)
    {
        if (ByType.TryGetValue(type, out var known))
        {
            return known;
        }

        Load(type.Assembly);
        return ByType.TryGetValue(type, out known) ? known : ByType.GetOrAdd(type, Build);
    }

    private static Codec? Build(Type type)
    {
        if (type.IsArray)
        {
            return type.GetArrayRank() == 1 && Has(type.GetElementType()!) ? Make(typeof(ArrayCodec<>), type.GetElementType()!) : null;
        }

        if (type.IsEnum)
        {
            return Make(typeof(EnumCodec<>), type);
        }

        if (type.IsGenericType)
        {
            return BuildGeneric(type);
        }

        if (type.IsInterface && typeof(IAddressable).IsAssignableFrom(type))
        {
            return Make(typeof(ReferenceCodec<>), type);
        }

        return typeof(Exception).IsAssignableFrom(type) ? Make(typeof(ExceptionCodec<>), type) : null;
    }

    private static Codec? BuildGeneric(Type type)
    {
        var definition = type.GetGenericTypeDefinition();
        var arguments = type.GetGenericArguments();
        if (Generic.TryGetValue(definition, out var generated))
        {
            var codec = Make(generated.Codec, arguments);
            codec.Alias = $"{generated.Alias}<{string.Join(',', arguments.Select(argument => Of(argument).Alias))}>";
            ByAlias.TryAdd(codec.Alias, codec);
            return codec;
        }

        return Collections.TryGetValue(definition, out var collection) && arguments.All(Has) ? Make(collection, arguments) : null;
    }

    // A type that contains itself is known to have a codec: it is the one being asked for.
    private static bool Has(Type type) => type.IsGenericParameter || Find(type) is not null;

    private static Codec Make(Type codec, params Type[] arguments) => (Codec)Activator.CreateInstance(codec.MakeGenericType(arguments))!;

    private static void Load(System.Reflection.Assembly assembly)
    {
        if (Loaded.ContainsKey(assembly))
        {
            return;
        }

        AssemblyManifests.Of(assembly)?.Describe(new Collector());
        Loaded[assembly] = true;
    }

    private static bool LoadAll()
    {
        foreach (var manifest in AssemblyManifests.All())
        {
            Load(manifest.GetType().Assembly);
        }

        return true;
    }

    private static class Cache<T>
    {
        public static readonly Codec<T>? Value = (Codec<T>?)Find(typeof(T));
    }

    private sealed class Collector : IManifestBuilder
    {
        public void AddInterface(Type interfaceType, string alias, Func<ReferenceBinding, GrainReference> createReference)
        {
        }

        public void AddRequest(string interfaceAlias, string methodAlias, Func<Calls.Request> rent)
        {
        }

        public void AddStream(string interfaceAlias, string methodAlias, Func<Streams.StreamCall> create)
        {
        }

        public void AddGrain(Type grainClass, Func<GrainServices, object> create)
        {
        }

        public void AddCodec<T>(string alias, Func<Codec<T>> create)
        {
            var codec = create();
            codec.Alias = alias;
            ByType.TryAdd(typeof(T), codec);
            if (!ByAlias.TryAdd(alias, codec) && ByAlias[alias].ValueType != typeof(T))
            {
                throw new OrleansConfigurationException($"{typeof(T).FullName} and {ByAlias[alias].ValueType.FullName} both have the alias '{alias}'.");
            }
        }

        public void AddGenericCodec(Type definition, string alias, Type codec) => Generic.TryAdd(definition, (alias, codec));
    }
}
