using System.Collections.Concurrent;
using System.Collections.Immutable;
using System.Runtime.CompilerServices;
using Loire.Actors;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Options;
using Orleans.GrainDirectory;
using Orleans.Runtime;
using Orleans.Runtime.MembershipService.SiloMetadata;

namespace Orleans.TestingHost;

/// <summary>Membership, directory and metadata that the silos of one process share.</summary>
internal sealed class MemoryCluster : ISiloMetadataCache
{
    private readonly Lock _lock = new();
    private readonly LocalGrainDirectory _directory = new();
    private readonly ConcurrentDictionary<SiloAddress, SiloMetadata> _metadata = new();
    private ClusterMembershipSnapshot _snapshot = new(ImmutableDictionary<SiloAddress, ClusterMember>.Empty, new MembershipVersion(0));
    private TaskCompletionSource _changed = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public ClusterMembershipSnapshot Snapshot
    {
        get
        {
            lock (_lock)
            {
                return _snapshot;
            }
        }
    }

    /// <summary>Lets a silo or a client be of this cluster.</summary>
    public void AddTo(IServiceCollection services)
    {
        services.Replace(ServiceDescriptor.Singleton<IGrainDirectory>(_directory));
        services.Replace(ServiceDescriptor.Singleton<ISiloMetadataCache>(this));
        services.AddSingleton(provider => new Member(this, provider.GetRequiredService<ILocalSiloDetails>(), provider.GetRequiredService<IOptions<SiloMetadata>>()));
        services.Replace(ServiceDescriptor.Singleton<IClusterMembershipService>(provider => provider.GetRequiredService<Member>()));
        services.Replace(ServiceDescriptor.Singleton<ISiloAnnouncer>(provider => provider.GetRequiredService<Member>()));
    }

    public SiloMetadata GetSiloMetadata(SiloAddress siloAddress) => _metadata.GetValueOrDefault(siloAddress, SiloMetadata.Empty);

    /// <summary>Sets a silo's status; one that is dead stays so.</summary>
    public bool Set(SiloAddress silo, string name, SiloStatus status)
    {
        TaskCompletionSource changed;
        lock (_lock)
        {
            if (_snapshot.Members.TryGetValue(silo, out var member) && member.Status >= status)
            {
                return false;
            }

            _snapshot = new(_snapshot.Members.SetItem(silo, new ClusterMember(silo, status, name)), new MembershipVersion(_snapshot.Version.Value + 1));
            changed = _changed;
            _changed = new(TaskCreationOptions.RunContinuationsAsynchronously);
        }

        changed.SetResult();
        return true;
    }

    private async IAsyncEnumerable<ClusterMembershipSnapshot> UpdatesAsync([EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        var seen = MembershipVersion.MinValue;
        while (true)
        {
            ClusterMembershipSnapshot snapshot;
            Task changed;
            lock (_lock)
            {
                snapshot = _snapshot;
                changed = _changed.Task;
            }

            if (snapshot.Version > seen)
            {
                seen = snapshot.Version;
                yield return snapshot;
            }

            await changed.WaitAsync(cancellationToken);
        }
    }

    /// <summary>The cluster as one silo sees it.</summary>
    private sealed class Member(MemoryCluster cluster, ILocalSiloDetails local, IOptions<SiloMetadata> metadata) : IClusterMembershipService, ISiloAnnouncer
    {
        public ClusterMembershipSnapshot CurrentSnapshot => cluster.Snapshot;

        public IAsyncEnumerable<ClusterMembershipSnapshot> MembershipUpdates => cluster.UpdatesAsync();

        public ValueTask Refresh(MembershipVersion minimumVersion = default, CancellationToken cancellationToken = default) => ValueTask.CompletedTask;

        public Task<bool> TryKill(SiloAddress siloAddress) => Task.FromResult(cluster.Set(siloAddress, "", SiloStatus.Dead));

        public Task AnnounceAsync(SiloStatus status, CancellationToken cancellationToken = default)
        {
            cluster._metadata[local.SiloAddress] = metadata.Value;
            cluster.Set(local.SiloAddress, local.Name, status);
            return Task.CompletedTask;
        }
    }
}
