using System.Collections.Immutable;
using Loire.Contracts;

namespace Loire.Silo.Placement;

/// <summary>What all silos carry, as this one heard it last. Safe from any thread.</summary>
internal sealed class ClusterLoadTable(SiloOptions options, TimeProvider time)
{
    private volatile Heard? _heard;

    /// <summary>By address; empty when nothing was heard of late.</summary>
    public ImmutableDictionary<string, SiloLoad> Loads =>
        _heard is { } heard && time.GetElapsedTime(heard.At) <= options.ReportLoadEvery * 3 ? heard.Loads : ImmutableDictionary<string, SiloLoad>.Empty;

    public void Hear(ClusterLoads loads) =>
        _heard = new Heard(loads.Silos.ToImmutableDictionary(load => load.Address, StringComparer.Ordinal), time.GetTimestamp());

    private sealed record Heard(ImmutableDictionary<string, SiloLoad> Loads, long At);
}
