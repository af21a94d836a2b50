using System.Collections.Immutable;
using System.Runtime.CompilerServices;
using Orleans.Runtime;

namespace Loire.Actors;

/// <summary>The membership of a cluster of one silo.</summary>
internal sealed class LocalMembership : IClusterMembershipService, ISiloAnnouncer
{
    private readonly ILocalSiloDetails _local;
    private readonly Lock _lock = new();
    private TaskCompletionSource _changed = NewChange();

    public LocalMembership(ILocalSiloDetails local)
    {
        _local = local;
        CurrentSnapshot = Snapshot(SiloStatus.Created, 0);
    }

    public ClusterMembershipSnapshot CurrentSnapshot { get; private set; }

    public IAsyncEnumerable<ClusterMembershipSnapshot> MembershipUpdates => UpdatesAsync();

    public ValueTask Refresh(MembershipVersion minimumVersion = default, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        return minimumVersion <= CurrentSnapshot.Version
            ? ValueTask.CompletedTask
            : throw new OrleansException($"Membership is at version {CurrentSnapshot.Version}; version {minimumVersion} does not exist in a cluster of one silo.");
    }

    public Task<bool> TryKill(SiloAddress siloAddress) => Task.FromResult(false);

    public Task AnnounceAsync(SiloStatus status, CancellationToken cancellationToken = default)
    {
        Set(status);
        return Task.CompletedTask;
    }

    private void Set(SiloStatus status)
    {
        TaskCompletionSource changed;
        lock (_lock)
        {
            CurrentSnapshot = Snapshot(status, CurrentSnapshot.Version.Value + 1);
            changed = _changed;
            _changed = NewChange();
        }

        changed.SetResult();
    }

    private static TaskCompletionSource NewChange() => new(TaskCreationOptions.RunContinuationsAsynchronously);

    private async IAsyncEnumerable<ClusterMembershipSnapshot> UpdatesAsync([EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        var seen = MembershipVersion.MinValue;
        while (true)
        {
            ClusterMembershipSnapshot snapshot;
            Task changed;
            lock (_lock)
            {
                snapshot = CurrentSnapshot;
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

    private ClusterMembershipSnapshot Snapshot(SiloStatus status, long version)
    {
        var self = new ClusterMember(_local.SiloAddress, status, _local.Name);
        return new(ImmutableDictionary<SiloAddress, ClusterMember>.Empty.Add(self.SiloAddress, self), new MembershipVersion(version));
    }
}
