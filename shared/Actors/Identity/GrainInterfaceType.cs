namespace Orleans.Runtime;

/// <summary>The name of a grain interface on the wire: its alias, or else its full name.</summary>
public readonly struct GrainInterfaceType : IEquatable<GrainInterfaceType>, IComparable<GrainInterfaceType>
{
    private GrainInterfaceType(IdSpan value) => Value = value;

    /// <summary>The name.</summary>
    public IdSpan Value { get; }

    /// <summary>Whether this is the empty default.</summary>
    public bool IsDefault => Value.IsDefault;

    /// <summary>Makes one from its name.</summary>
    public static GrainInterfaceType Create(string value) => new(IdSpan.Create(value));

    /// <inheritdoc/>
    public bool Equals(GrainInterfaceType other) => Value.Equals(other.Value);

    /// <inheritdoc/>
    public override bool Equals(object? obj) => obj is GrainInterfaceType other && Equals(other);

    /// <inheritdoc/>
    public override int GetHashCode() => Value.GetHashCode();

    /// <inheritdoc/>
    public int CompareTo(GrainInterfaceType other) => Value.CompareTo(other.Value);

    /// <summary>The name.</summary>
    public override string ToString() => Value.ToString();

    /// <summary>The same name.</summary>
    public static bool operator ==(GrainInterfaceType left, GrainInterfaceType right) => left.Equals(right);

    /// <summary>Another name.</summary>
    public static bool operator !=(GrainInterfaceType left, GrainInterfaceType right) => !left.Equals(right);

    /// <summary>Ordinal order.</summary>
    public static bool operator <(GrainInterfaceType left, GrainInterfaceType right) => left.CompareTo(right) < 0;

    /// <summary>Ordinal order.</summary>
    public static bool operator <=(GrainInterfaceType left, GrainInterfaceType right) => left.CompareTo(right) <= 0;

    /// <summary>Ordinal order.</summary>
    public static bool operator >(GrainInterfaceType left, GrainInterfaceType right) => left.CompareTo(right) > 0;

    /// <summary>Ordinal order.</summary>
    public static bool operator >=(GrainInterfaceType left, GrainInterfaceType right) => left.CompareTo(right) >= 0;
}
