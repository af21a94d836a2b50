using Microsoft.Extensions.Options;
using Orleans.Runtime;
using StackExchange.Redis;

namespace Loire.Actors.Redis;

/// <summary>The membership as Redis holds it: one method a script.</summary>
internal sealed class MembershipTable(RedisLink link, ClusterKeys keys, IOptions<RedisLeaseOptions> options)
{
    private const int SweepPortion = 500; // under 2 ms of Redis' time

    private readonly long _retention = (long)options.Value.DeadRetention.TotalMilliseconds;

    /// <summary>Makes a silo a member; its epoch, or 0 and the row of an earlier life with this address.</summary>
    public async Task<(long Epoch, long Version, string? Earlier)> JoinAsync(SiloAddress silo, MemberRow row, CancellationToken cancellationToken)
    {
        var endpoint = $"{silo.Endpoint.Address}:{silo.Endpoint.Port}@";
        var parts = (await EvalAsync(RedisScript.Join, $"Joining as {silo}", cancellationToken, silo.ToParsableString(), row.ToText(), row.Lease, endpoint)).Parts();
        return ((long)parts[0], (long)parts[1], parts.Length > 2 ? (string?)parts[2] : null);
    }

    /// <summary>Looks for the dead, and renews the lease of <paramref name="member"/>, if there is one.</summary>
    public async Task<Beat> BeatAsync(SiloAddress? member, TimeSpan lease, string witness, CancellationToken cancellationToken) =>
        Beat.From(await EvalAsync(
            RedisScript.Beat,
            member is null ? "Looking at the cluster" : $"Renewing the lease of {member}",
            cancellationToken,
            member?.ToParsableString() ?? "",
            (long)lease.TotalMilliseconds,
            witness));

    /// <summary>The new version, or 0 when the silo is not a member.</summary>
    public async Task<long> SetStatusAsync(SiloAddress silo, SiloStatus status, CancellationToken cancellationToken) =>
        (long)await EvalAsync(RedisScript.Status, $"Setting the status of {silo} to {status}", cancellationToken, silo.ToParsableString(), (int)status);

    /// <summary>Ends a membership at once; false when there is none, or the silo has another status than it has to have.</summary>
    public async Task<bool> BuryAsync(SiloAddress silo, string by, SiloStatus needed = SiloStatus.None, CancellationToken cancellationToken = default) =>
        (long)await EvalAsync(RedisScript.Bury, $"Declaring {silo} dead", cancellationToken, silo.ToParsableString(), by, (int)needed) == 1;

    /// <summary>The version and all rows.</summary>
    public async Task<(long Version, IReadOnlyList<(string Silo, string Row)> Rows)> ReadAsync(CancellationToken cancellationToken)
    {
        var parts = (await EvalAsync(RedisScript.Read, "Reading the membership", cancellationToken)).Parts();
        return ((long)parts[0], [.. Enumerable.Range(0, (parts.Length - 1) / 2).Select(i => (parts[1 + (2 * i)].Text(), parts[2 + (2 * i)].Text()))]);
    }

    /// <summary>Removes a portion of a dead silo's entries. Left is -1 when the silo lives.</summary>
    public async Task<(long Left, int Removed)> SweepAsync(string silo, CancellationToken cancellationToken)
    {
        RedisValue[] values = [keys.Channel, _retention, silo, SweepPortion];
        var parts = (await link.EvalAsync(RedisScript.Sweep, keys.WithIndexOf(silo), values, $"Removing the directory entries of {silo}", cancellationToken)).Parts();
        return ((long)parts[0], (int)parts[1]);
    }

    private Task<RedisResult> EvalAsync(RedisScript script, string what, CancellationToken cancellationToken, params RedisValue[] values) =>
        link.EvalAsync(script, keys.Membership, [keys.Channel, _retention, .. values], what, cancellationToken);
}
