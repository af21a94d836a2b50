using Microsoft.Extensions.Options;
using Orleans.Configuration;
using Orleans.Runtime;
using StackExchange.Redis;

namespace Loire.Actors.Redis;

/// <summary>The keys of one cluster. They share a hash tag, so that a script may touch them together.</summary>
internal sealed class ClusterKeys
{
    private readonly string _prefix;

    public ClusterKeys(IOptions<ClusterOptions> cluster)
    {
        ClusterId = cluster.Value.ClusterId;
        if (string.IsNullOrWhiteSpace(ClusterId) || ClusterId.AsSpan().IndexOfAny('{', '}') >= 0)
        {
            throw new OrleansConfigurationException($"{nameof(ClusterOptions.ClusterId)} is '{ClusterId}'; it has to be a name without braces, as it is the hash tag of the cluster's keys in Redis.");
        }

        _prefix = $"loire:{{{ClusterId}}}:";
        Channel = _prefix + "changes";
        Directory = _prefix + "directory";
        Membership = [_prefix + "cluster", _prefix + "members", _prefix + "leases", _prefix + "dead", _prefix + "sweep"];
        WithDirectory = [.. Membership, Directory];
    }

    public string ClusterId { get; }

    /// <summary>Where each new version of the membership is published.</summary>
    public string Channel { get; }

    public string Directory { get; }

    /// <summary>In the order in which the scripts number them.</summary>
    public RedisKey[] Membership { get; }

    public RedisKey[] WithDirectory { get; }

    /// <summary>With the set of grains that this silo has in the directory.</summary>
    public RedisKey[] WithIndexOf(string silo) => [.. WithDirectory, $"{_prefix}grains:{silo}"];
}
