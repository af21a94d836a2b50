using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Net;

namespace Orleans.Runtime;

/// <summary>One life of one silo: its endpoint, and a generation that grows with every start, written <c>address:port@generation</c>.</summary>
[Immutable]
public sealed class SiloAddress : IEquatable<SiloAddress>, IComparable<SiloAddress>
{
    private static readonly DateTimeOffset Epoch = new(2022, 1, 1, 0, 0, 0, TimeSpan.Zero);

    private SiloAddress(IPEndPoint endpoint, int generation)
    {
        Endpoint = endpoint;
        Generation = generation;
    }

    /// <summary>No silo.</summary>
    public static SiloAddress Zero { get; } = New(new IPEndPoint(IPAddress.Any, 0), 0);

    /// <summary>Where other silos reach this one.</summary>
    public IPEndPoint Endpoint { get; }

    /// <summary>Which life of the silo at this endpoint.</summary>
    public int Generation { get; }

    /// <summary>Makes an address.</summary>
    public static SiloAddress New(IPEndPoint ep, int gen)
    {
        ArgumentNullException.ThrowIfNull(ep);
        return new SiloAddress(ep, gen);
    }

    /// <summary>Makes an address.</summary>
    public static SiloAddress New(IPAddress address, int port, int generation) => New(new IPEndPoint(address, port), generation);

    /// <summary>A generation for a silo that starts now: seconds since 2022.</summary>
    public static int AllocateNewGeneration() => AllocateNewGeneration(TimeProvider.System);

    internal static int AllocateNewGeneration(TimeProvider time) => (int)(time.GetUtcNow() - Epoch).TotalSeconds;

    /// <summary>The text that <see cref="FromParsableString"/> reads.</summary>
    public string ToParsableString() => $"{Endpoint.Address}:{Endpoint.Port}@{Generation.ToString(CultureInfo.InvariantCulture)}";

    /// <summary>Reads <c>address:port@generation</c>.</summary>
    /// <exception cref="FormatException">The text is not of that form.</exception>
    public static SiloAddress FromParsableString(string addr) =>
        TryParse(addr, out var silo) ? silo : throw new FormatException($"'{addr}' is not a silo address: it is written address:port@generation.");

    /// <summary>Reads <c>address:port@generation</c>.</summary>
    public static bool TryParse([NotNullWhen(true)] string? value, [NotNullWhen(true)] out SiloAddress? result)
    {
        result = null;
        var at = value?.LastIndexOf('@') ?? -1;
        var colon = at > 0 ? value!.LastIndexOf(':', at) : -1;
        if (colon <= 0
            || !IPAddress.TryParse(value.AsSpan(0, colon), out var address)
            || !int.TryParse(value.AsSpan(colon + 1, at - colon - 1), NumberStyles.None, CultureInfo.InvariantCulture, out var port)
            || port > IPEndPoint.MaxPort
            || !int.TryParse(value.AsSpan(at + 1), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var generation))
        {
            return false;
        }

        result = New(address, port, generation);
        return true;
    }

    /// <summary>Whether this is a later life of the silo at the same endpoint.</summary>
    public bool IsSuccessorOf(SiloAddress other)
    {
        ArgumentNullException.ThrowIfNull(other);
        return Endpoint.Equals(other.Endpoint) && Generation > other.Generation;
    }

    /// <summary>A hash that is the same in every process.</summary>
    public int GetConsistentHashCode() => unchecked((int)StableHash.Of(ToParsableString()));

    /// <inheritdoc/>
    public bool Equals(SiloAddress? other) => other is not null && Generation == other.Generation && Endpoint.Equals(other.Endpoint);

    /// <inheritdoc/>
    public override bool Equals(object? obj) => Equals(obj as SiloAddress);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Endpoint, Generation);

    /// <inheritdoc/>
    public int CompareTo(SiloAddress? other) => string.CompareOrdinal(ToParsableString(), other?.ToParsableString());

    /// <inheritdoc/>
    public override string ToString() => ToParsableString();

    /// <summary>The same life of the same silo.</summary>
    public static bool operator ==(SiloAddress? left, SiloAddress? right) => left is null ? right is null : left.Equals(right);

    /// <summary>Another silo, or another life.</summary>
    public static bool operator !=(SiloAddress? left, SiloAddress? right) => !(left == right);

    /// <summary>By text.</summary>
    public static bool operator <(SiloAddress left, SiloAddress right) => left.CompareTo(right) < 0;

    /// <summary>By text.</summary>
    public static bool operator <=(SiloAddress left, SiloAddress right) => left.CompareTo(right) <= 0;

    /// <summary>By text.</summary>
    public static bool operator >(SiloAddress left, SiloAddress right) => left.CompareTo(right) > 0;

    /// <summary>By text.</summary>
    public static bool operator >=(SiloAddress left, SiloAddress right) => left.CompareTo(right) >= 0;
}
