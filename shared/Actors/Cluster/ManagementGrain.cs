using Orleans;
using Orleans.Runtime;

namespace Loire.Actors;

/// <summary>Answers questions about the cluster: of membership as this silo knows it, of activations by asking all silos.</summary>
[GrainType("sys.management")]
internal sealed class ManagementGrain(IClusterMembershipService membership, SiloRuntimeAccess access) : Grain, IManagementGrain
{
    public Task<Dictionary<SiloAddress, SiloStatus>> GetHosts(bool onlyActive = false) =>
        Task.FromResult(membership.CurrentSnapshot.Members.Values
            .Where(member => !onlyActive || member.Status == SiloStatus.Active)
            .ToDictionary(member => member.SiloAddress, member => member.Status));

    public async Task<DetailedGrainStatistic[]> GetDetailedGrainStatistics(string[]? types = null, SiloAddress[]? hostsIds = null) =>
        [.. (await Task.WhenAll(Silos(hostsIds).Select(silo => silo.Statistics(types)))).SelectMany(statistics => statistics)];

    public async Task<int> GetTotalActivationCount() => (await GetDetailedGrainStatistics()).Length;

    public Task ForceActivationCollection(TimeSpan ageLimit) => Task.WhenAll(Silos(null).Select(silo => silo.Collect(ageLimit)));

    private IEnumerable<ISiloControl> Silos(SiloAddress[]? hosts) => membership.CurrentSnapshot.Members.Values
        .Where(member => member.Status is SiloStatus.Active or SiloStatus.ShuttingDown && hosts?.Contains(member.SiloAddress) != false)
        .Select(member => access.Runtime.ControlOf(member.SiloAddress));
}

/// <summary>Hands the silo to the runtime's own grains.</summary>
internal sealed record SiloRuntimeAccess(SiloRuntime Runtime);
