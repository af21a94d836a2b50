namespace Orleans.Runtime;

/// <summary>Names one grain in the cluster: its type and its key, written <c>type/key</c>.</summary>
public readonly struct GrainId(GrainType type, IdSpan key) : IEquatable<GrainId>, IComparable<GrainId>
{
    /// <summary>The grain's type.</summary>
    public GrainType Type { get; } = type;

    /// <summary>The grain's key.</summary>
    public IdSpan Key { get; } = key;

    /// <summary>Whether this is the empty default.</summary>
    public bool IsDefault => Type.IsDefault && Key.IsDefault;

    /// <summary>Makes an identity from type and key.</summary>
    public static GrainId Create(string type, string key) => Create(GrainType.Create(type), key);

    /// <summary>Makes an identity from type and key.</summary>
    public static GrainId Create(GrainType type, string key) => new(type, IdSpan.Create(key));

    /// <summary>Makes an identity from type and key.</summary>
    public static GrainId Create(GrainType type, IdSpan key) => new(type, key);

    /// <summary>Reads <c>type/key</c>; the key may hold further slashes.</summary>
    /// <exception cref="FormatException">There is no slash, or nothing before it.</exception>
    public static GrainId Parse(string value) =>
        TryParse(value, out var id) ? id : throw new FormatException($"'{value}' is not a grain id: it is written type/key.");

    /// <summary>Reads <c>type/key</c>; the key may hold further slashes.</summary>
    public static bool TryParse(string? value, out GrainId result)
    {
        var slash = value?.IndexOf('/') ?? -1;
        if (slash <= 0)
        {
            result = default;
            return false;
        }

        result = Create(value![..slash], value[(slash + 1)..]);
        return true;
    }

    /// <summary>A hash that is the same in every process.</summary>
    public uint GetUniformHashCode() => unchecked((Type.Value.GetUniformHashCode() * 31) + Key.GetUniformHashCode());

    /// <inheritdoc/>
    public bool Equals(GrainId other) => Key.Equals(other.Key) && Type.Equals(other.Type);

    /// <inheritdoc/>
    public override bool Equals(object? obj) => obj is GrainId other && Equals(other);

    /// <inheritdoc/>
    public override int GetHashCode() => unchecked((int)GetUniformHashCode());

    /// <inheritdoc/>
    public int CompareTo(GrainId other)
    {
        var byType = Type.CompareTo(other.Type);
        return byType != 0 ? byType : Key.CompareTo(other.Key);
    }

    /// <summary>The identity as <c>type/key</c>.</summary>
    public override string ToString() => $"{Type}/{Key}";

    /// <summary>The same grain.</summary>
    public static bool operator ==(GrainId left, GrainId right) => left.Equals(right);

    /// <summary>Another grain.</summary>
    public static bool operator !=(GrainId left, GrainId right) => !left.Equals(right);

    /// <summary>By type, then key.</summary>
    public static bool operator <(GrainId left, GrainId right) => left.CompareTo(right) < 0;

    /// <summary>By type, then key.</summary>
    public static bool operator <=(GrainId left, GrainId right) => left.CompareTo(right) <= 0;

    /// <summary>By type, then key.</summary>
    public static bool operator >(GrainId left, GrainId right) => left.CompareTo(right) > 0;

    /// <summary>By type, then key.</summary>
    public static bool operator >=(GrainId left, GrainId right) => left.CompareTo(right) >= 0;
}
