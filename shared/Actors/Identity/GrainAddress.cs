namespace Orleans.Runtime;

/// <summary>Tells one activation of a grain from the ones before and after it.</summary>
public readonly record struct ActivationId(Guid Key)
{
    /// <summary>Whether this is the empty default.</summary>
    public bool IsDefault => Key == Guid.Empty;

    /// <summary>A new identity.</summary>
    public static ActivationId NewId() => new(Guid.NewGuid());

    /// <inheritdoc/>
    public override string ToString() => $"@{Key:N}";
}

/// <summary>A version of the cluster's membership; a later one is larger.</summary>
public readonly record struct MembershipVersion(long Value) : IComparable<MembershipVersion>
{
    /// <summary>Before every version.</summary>
    public static MembershipVersion MinValue => new(long.MinValue);

    /// <inheritdoc/>
    public int CompareTo(MembershipVersion other) => Value.CompareTo(other.Value);

    /// <summary>Earlier.</summary>
    public static bool operator <(MembershipVersion left, MembershipVersion right) => left.Value < right.Value;

    /// <summary>Earlier or the same.</summary>
    public static bool operator <=(MembershipVersion left, MembershipVersion right) => left.Value <= right.Value;

    /// <summary>Later.</summary>
    public static bool operator >(MembershipVersion left, MembershipVersion right) => left.Value > right.Value;

    /// <summary>Later or the same.</summary>
    public static bool operator >=(MembershipVersion left, MembershipVersion right) => left.Value >= right.Value;

    /// <inheritdoc/>
    public override string ToString() => Value.ToString(System.Globalization.CultureInfo.InvariantCulture);
}

/// <summary>Where one activation of a grain is: what the grain directory holds.</summary>
public sealed record GrainAddress
{
    /// <summary>The grain.</summary>
    public GrainId GrainId { get; init; }

    /// <summary>Its activation.</summary>
    public ActivationId ActivationId { get; init; }

    /// <summary>The silo that hosts it.</summary>
    public SiloAddress? SiloAddress { get; init; }

    /// <summary>The membership version at which it was registered.</summary>
    public MembershipVersion MembershipVersion { get; init; } = MembershipVersion.MinValue;

    /// <summary>The same activation on the same silo, whatever the membership version.</summary>
    public bool Matches(GrainAddress? other) =>
        other is not null
        && GrainId == other.GrainId
        && Equals(SiloAddress, other.SiloAddress)
        && (ActivationId.IsDefault || other.ActivationId.IsDefault || ActivationId == other.ActivationId);
}
