using System.Collections.Immutable;
using System.Runtime.CompilerServices;
using System.Text.Json;
using System.Threading.Channels;
using Microsoft.Extensions.Logging;
using Orleans.Runtime;
using Orleans.Runtime.MembershipService.SiloMetadata;

namespace Loire.Actors.Redis;

/// <summary>The cluster as this process sees it: a copy of the rows in Redis, read again when somebody says that there is a newer version.</summary>
internal sealed class MembershipView(MembershipTable table, TimeProvider time, ILoggerFactory loggers) : IClusterMembershipService, ISiloMetadataCache, IClusterGateways
{
    private static readonly TimeSpan RetryDelay = TimeSpan.FromMilliseconds(50);

    private readonly ClusterLog _log = new(loggers.CreateLogger<MembershipView>());
    private readonly Channel<long> _announced = Channel.CreateBounded<long>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropOldest });
    private readonly Lock _lock = new();
    private volatile Seen _seen = new(new(ImmutableDictionary<SiloAddress, ClusterMember>.Empty, new(0)), ImmutableDictionary<SiloAddress, Details>.Empty);
    private TaskCompletionSource _changed = NewChange();
    private long _revision = 1;
    private SiloAddress? _ended;

    public ClusterMembershipSnapshot CurrentSnapshot => _seen.Snapshot;

    public IAsyncEnumerable<ClusterMembershipSnapshot> MembershipUpdates => UpdatesAsync();

    public SiloMetadata GetSiloMetadata(SiloAddress siloAddress) => _seen.Details.GetValueOrDefault(siloAddress)?.Metadata ?? SiloMetadata.Empty;

    public SiloAddress? GetGateway(SiloAddress silo) => _seen.Details.GetValueOrDefault(silo)?.Gateway;

    /// <summary>This silo's own membership is over, whatever Redis says, and whether it can be reached or not: from here on all see it as dead here.</summary>
    public void End(SiloAddress self)
    {
        lock (_lock)
        {
            _ended = self;
        }

        Show(_seen, isNews: true);
    }

    /// <summary>Says that a version exists; it is read soon.</summary>
    public void Announce(long version)
    {
        if (version > CurrentSnapshot.Version.Value)
        {
            _announced.Writer.TryWrite(version);
        }
    }

    /// <summary>Reads what is announced, until cancelled.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        await foreach (var version in _announced.Reader.ReadAllAsync(cancellationToken))
        {
            try
            {
                if (version > CurrentSnapshot.Version.Value)
                {
                    await ReadAsync(cancellationToken);
                }
            }
            catch (RedisUnavailableException exception)
            {
                _log.BeatFailed(exception);
                await Task.Delay(RetryDelay, time, cancellationToken);
                Announce(version);
            }
        }
    }

    public async ValueTask Refresh(MembershipVersion minimumVersion = default, CancellationToken cancellationToken = default)
    {
        if (minimumVersion != default && CurrentSnapshot.Version >= minimumVersion)
        {
            return;
        }

        await ReadAsync(cancellationToken);
        if (CurrentSnapshot.Version < minimumVersion)
        {
            throw new OrleansException($"Membership is at version {CurrentSnapshot.Version}; version {minimumVersion} does not exist in Redis. Has its data been lost?");
        }
    }

    public async Task<bool> TryKill(SiloAddress siloAddress)
    {
        var killed = await table.BuryAsync(siloAddress, "an order");
        await ReadAsync(CancellationToken.None);
        return killed;
    }

    private static TaskCompletionSource NewChange() => new(TaskCreationOptions.RunContinuationsAsynchronously);

    private async Task ReadAsync(CancellationToken cancellationToken)
    {
        var (version, rows) = await table.ReadAsync(cancellationToken);
        var members = ImmutableDictionary.CreateBuilder<SiloAddress, ClusterMember>();
        var details = ImmutableDictionary.CreateBuilder<SiloAddress, Details>();
        foreach (var (text, json) in rows)
        {
            if (TryParse(text, json) is var (silo, row))
            {
                members[silo] = new(silo, row.Status, row.Name);
                var metadata = new SiloMetadata();
                metadata.AddMetadata(row.Metadata);
                details[silo] = new(metadata, SiloAddress.TryParse(row.Gateway, out var gateway) ? gateway : null);
            }
        }

        Show(new(new(members.ToImmutable(), new(version)), details.ToImmutable()));
    }

    private (SiloAddress Silo, MemberRow Row)? TryParse(string silo, string row)
    {
        try
        {
            return (SiloAddress.FromParsableString(silo), MemberRow.Parse(row));
        }
        catch (Exception exception) when (exception is JsonException or FormatException)
        {
            _log.BadRow(silo, row);
            return null;
        }
    }

    private void Show(Seen seen, bool isNews = false)
    {
        TaskCompletionSource changed;
        lock (_lock)
        {
            if (seen.Snapshot.Version <= CurrentSnapshot.Version && !isNews)
            {
                return; // two reads overtook each other
            }

            _seen = WithoutEnded(seen);
            _revision++;
            changed = _changed;
            _changed = NewChange();
        }

        changed.SetResult();
    }

    private Seen WithoutEnded(Seen seen) => _ended is not null && seen.Snapshot.Members.TryGetValue(_ended, out var self)
        ? seen with { Snapshot = new(seen.Snapshot.Members.SetItem(_ended, self with { Status = SiloStatus.Dead }), seen.Snapshot.Version) }
        : seen;

    private async IAsyncEnumerable<ClusterMembershipSnapshot> UpdatesAsync([EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        var last = 0L;
        while (true)
        {
            ClusterMembershipSnapshot snapshot;
            long revision;
            Task changed;
            lock (_lock)
            {
                snapshot = CurrentSnapshot;
                revision = _revision;
                changed = _changed.Task;
            }

            if (revision > last)
            {
                last = revision;
                yield return snapshot;
            }

            await changed.WaitAsync(cancellationToken);
        }
    }

    /// <summary>What a row holds beside what Orleans' member has.</summary>
    private sealed record Details(SiloMetadata Metadata, SiloAddress? Gateway);

    private sealed record Seen(ClusterMembershipSnapshot Snapshot, ImmutableDictionary<SiloAddress, Details> Details);
}
