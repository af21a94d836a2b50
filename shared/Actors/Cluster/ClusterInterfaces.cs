using System.Collections.Immutable;

namespace Orleans.Runtime
{
    /// <summary>Where a silo is in its life.</summary>
    public enum SiloStatus
    {
        /// <summary>Not known.</summary>
        None = 0,

        /// <summary>Made, not yet started.</summary>
        Created = 1,

        /// <summary>Starting.</summary>
        Joining = 2,

        /// <summary>Takes calls.</summary>
        Active = 3,

        /// <summary>Stops gracefully.</summary>
        ShuttingDown = 4,

        /// <summary>Stops at once.</summary>
        Stopping = 5,

        /// <summary>Gone.</summary>
        Dead = 6,
    }

    /// <summary>What a silo knows of itself.</summary>
    public interface ILocalSiloDetails
    {
        /// <summary>The silo's name.</summary>
        string Name { get; }

        /// <summary>The cluster's name.</summary>
        string ClusterId { get; }

        /// <summary>The host's name.</summary>
        string DnsHostName { get; }

        /// <summary>Where other silos reach it.</summary>
        SiloAddress SiloAddress { get; }

        /// <summary>Where clients reach it.</summary>
        SiloAddress GatewayAddress { get; }
    }

    /// <summary>One silo of the cluster.</summary>
    public sealed record ClusterMember(SiloAddress SiloAddress, SiloStatus Status, string Name);

    /// <summary>The cluster at one version of its membership.</summary>
    public sealed class ClusterMembershipSnapshot(ImmutableDictionary<SiloAddress, ClusterMember> members, MembershipVersion version)
    {
        /// <summary>All silos that are known.</summary>
        public ImmutableDictionary<SiloAddress, ClusterMember> Members { get; } = members;

        /// <summary>The version.</summary>
        public MembershipVersion Version { get; } = version;

        /// <summary>The status of a silo. One that a later life has replaced is dead.</summary>
        public SiloStatus GetSiloStatus(SiloAddress silo)
        {
            if (Members.TryGetValue(silo, out var member))
            {
                return member.Status;
            }

            return Members.Keys.Any(other => other.IsSuccessorOf(silo)) ? SiloStatus.Dead : SiloStatus.None;
        }
    }

    /// <summary>Who is in the cluster.</summary>
    public interface IClusterMembershipService
    {
        /// <summary>The newest snapshot that this silo has seen.</summary>
        ClusterMembershipSnapshot CurrentSnapshot { get; }

        /// <summary>The current snapshot and every later one.</summary>
        IAsyncEnumerable<ClusterMembershipSnapshot> MembershipUpdates { get; }

        /// <summary>Waits until this silo has seen at least <paramref name="minimumVersion"/>.</summary>
        ValueTask Refresh(MembershipVersion minimumVersion = default, CancellationToken cancellationToken = default);

        /// <summary>Declares another silo dead; false when it was not in the cluster.</summary>
        Task<bool> TryKill(SiloAddress siloAddress);
    }

    /// <summary>Questions about the whole cluster; its key is 0.</summary>
    [Alias("Orleans.Runtime.IManagementGrain")]
    public interface IManagementGrain : IGrainWithIntegerKey
    {
        /// <summary>The silos and their status.</summary>
        Task<Dictionary<SiloAddress, SiloStatus>> GetHosts(bool onlyActive = false);

        /// <summary>One entry an activation, of these grain types and silos, or of all.</summary>
        Task<DetailedGrainStatistic[]> GetDetailedGrainStatistics(string[]? types = null, SiloAddress[]? hostsIds = null);

        /// <summary>How many activations the cluster has.</summary>
        Task<int> GetTotalActivationCount();

        /// <summary>Ends activations that have been idle for longer than <paramref name="ageLimit"/>.</summary>
        Task ForceActivationCollection(TimeSpan ageLimit);
    }

    /// <summary>One activation.</summary>
    [GenerateSerializer, Immutable]
    public sealed class DetailedGrainStatistic
    {
        /// <summary>The grain class.</summary>
        [Id(0)]
        public string GrainType { get; init; } = "";

        /// <summary>The silo that hosts it.</summary>
        [Id(1)]
        public SiloAddress SiloAddress { get; init; } = SiloAddress.Zero;

        /// <summary>The grain.</summary>
        [Id(2)]
        public GrainId GrainId { get; init; }
    }
}

namespace Orleans.Runtime.MembershipService.SiloMetadata
{
    /// <summary>What silos say about themselves.</summary>
    public interface ISiloMetadataCache
    {
        /// <summary>What this silo says; <see cref="SiloMetadata.Empty"/> when it says nothing.</summary>
        SiloMetadata GetSiloMetadata(SiloAddress siloAddress);
    }

    /// <summary>What a silo says about itself, such as which devices it has.</summary>
    public record SiloMetadata
    {
        /// <summary>Nothing.</summary>
        public static SiloMetadata Empty { get; } = new();

        /// <summary>Names and values.</summary>
        public ImmutableDictionary<string, string> Metadata { get; private set; } = ImmutableDictionary<string, string>.Empty;

        internal void AddMetadata(IEnumerable<KeyValuePair<string, string>> metadata) => Metadata = Metadata.SetItems(metadata);
    }
}
