using Orleans;
using Orleans.Runtime;

namespace Loire.Actors;

/// <summary>Answers questions about the cluster from what this silo knows.</summary>
[GrainType("sys.management")]
internal sealed class ManagementGrain(IClusterMembershipService membership, SiloRuntimeAccess access) : Grain, IManagementGrain
{
    public Task<Dictionary<SiloAddress, SiloStatus>> GetHosts(bool onlyActive = false) =>
        Task.FromResult(membership.CurrentSnapshot.Members.Values
            .Where(member => !onlyActive || member.Status == SiloStatus.Active)
            .ToDictionary(member => member.SiloAddress, member => member.Status));

    public Task<DetailedGrainStatistic[]> GetDetailedGrainStatistics(string[]? types = null, SiloAddress[]? hostsIds = null)
    {
        var runtime = access.Runtime;
        if (hostsIds is not null && !hostsIds.Contains(runtime.Address))
        {
            return Task.FromResult<DetailedGrainStatistic[]>([]);
        }

        return Task.FromResult<DetailedGrainStatistic[]>([.. runtime.Catalog.All
            .Where(activation => types is null || types.Contains(activation.Class.Name))
            .Select(activation => new DetailedGrainStatistic
            {
                GrainType = activation.Class.Name,
                SiloAddress = runtime.Address,
                GrainId = activation.GrainId,
            })]);
    }

    public Task<int> GetTotalActivationCount() => Task.FromResult(access.Runtime.Catalog.All.Count());

    public Task ForceActivationCollection(TimeSpan ageLimit)
    {
        access.Runtime.Collect(ageLimit);
        return Task.CompletedTask;
    }
}

/// <summary>Hands the silo to the runtime's own grains.</summary>
internal sealed record SiloRuntimeAccess(SiloRuntime Runtime);
