using Orleans.Hosting;

namespace Loire.Silo;

/// <summary>What a silo asks of its actor runtime beyond the API that both have in common: here of the one in <c>shared/Actors</c>.</summary>
internal static class SiloRuntime
{
    /// <summary>The only silo of its cluster. It opens no port.</summary>
    public static void StandAlone(ISiloBuilder silo) => silo.UseLocalhostClustering();

    /// <summary>Nothing: what grains do is shown by the metrics and by <c>/v1/cluster</c>, and every exception travels.</summary>
    public static void Equip(ISiloBuilder silo) => ArgumentNullException.ThrowIfNull(silo);
}
