using Microsoft.CodeAnalysis;

namespace Loire.Actors.Generators;

/// <summary>Which types can be passed, and which of them need no copy.</summary>
internal static class TypeSupport
{
    private const string Immutable = "Orleans.ImmutableAttribute";

    private static readonly HashSet<string> ImmutableNames =
    [
        "System.Guid", "System.TimeSpan", "System.DateTimeOffset", "System.DateOnly", "System.TimeOnly", "System.Uri", "System.Version",
        "System.Net.IPAddress", "System.Net.IPEndPoint", "System.Threading.CancellationToken",
        "Orleans.Runtime.GrainId", "Orleans.Runtime.GrainType", "Orleans.Runtime.SiloAddress",
    ];

    private static readonly HashSet<string> ImmutableCollections =
    [
        "System.Collections.Immutable.ImmutableArray<T>", "System.Collections.Immutable.ImmutableList<T>",
        "System.Collections.Immutable.ImmutableHashSet<T>", "System.Collections.Immutable.ImmutableDictionary<TKey, TValue>",
        "System.Collections.Generic.KeyValuePair<TKey, TValue>",
    ];

    private static readonly HashSet<string> Collections =
    [
        "System.Collections.Generic.List<T>", "System.Collections.Generic.IList<T>", "System.Collections.Generic.ICollection<T>",
        "System.Collections.Generic.IReadOnlyList<T>", "System.Collections.Generic.IReadOnlyCollection<T>", "System.Collections.Generic.IEnumerable<T>",
        "System.Collections.Generic.HashSet<T>", "System.Collections.Generic.Dictionary<TKey, TValue>",
        "System.Collections.Generic.IDictionary<TKey, TValue>", "System.Collections.Generic.IReadOnlyDictionary<TKey, TValue>",
    ];

    /// <summary>Whether a copy of the value would be the value itself.</summary>
    public static bool IsImmutable(ITypeSymbol type)
    {
        if (type.SpecialType is SpecialType.System_String or SpecialType.System_Decimal or SpecialType.System_DateTime
            || (type.SpecialType >= SpecialType.System_Boolean && type.SpecialType <= SpecialType.System_Double)
            || type.TypeKind == TypeKind.Enum
            || type.Has(Immutable)
            || ImmutableNames.Contains(type.ToDisplayString())
            || type.DerivesFrom("System.Exception"))
        {
            return true;
        }

        return type is INamedTypeSymbol { IsGenericType: true } generic
            && (generic.IsTupleType
                || generic.OriginalDefinition.SpecialType == SpecialType.System_Nullable_T
                || ImmutableCollections.Contains(generic.Definition()))
            && generic.TypeArguments.All(IsImmutable);
    }

    /// <summary>Whether the value can be copied, or need not be.</summary>
    public static bool IsSupported(ITypeSymbol type)
    {
        if (IsImmutable(type)
            || type.TypeKind == TypeKind.TypeParameter
            || type.SpecialType == SpecialType.System_Object
            || type.Has(Symbols.Generate)
            || (type.TypeKind == TypeKind.Interface && type.Implements("Orleans.Runtime.IAddressable"))
            || type.ToDisplayString() == "System.ReadOnlyMemory<byte>")
        {
            return type is not INamedTypeSymbol { IsGenericType: true } arguments || !type.Has(Symbols.Generate) || arguments.TypeArguments.All(IsSupported);
        }

        if (type is IArrayTypeSymbol array)
        {
            return array.Rank == 1 && IsSupported(array.ElementType);
        }

        return type is INamedTypeSymbol { IsGenericType: true } generic
            && ((generic.IsTupleType && generic.TupleElements.Length <= 4)
                || generic.OriginalDefinition.SpecialType == SpecialType.System_Nullable_T
                || ImmutableCollections.Contains(generic.Definition())
                || Collections.Contains(generic.Definition()))
            && generic.TypeArguments.All(IsSupported);
    }

    /// <summary>An expression for a copy of <paramref name="value"/>.</summary>
    public static string Copy(string value, ITypeSymbol type, ISymbol? carrier) =>
        IsImmutable(type) || (carrier is not null && carrier.Has(Immutable))
            ? value
            : $"global::Loire.Actors.Serialization.CopyOf.Value<{type.Global()}>({value})";

    /// <summary>Whether a parameter, member or return value is marked as immutable where it stands.</summary>
    public static bool IsMarked(ISymbol carrier) => carrier.Has(Immutable);
}
