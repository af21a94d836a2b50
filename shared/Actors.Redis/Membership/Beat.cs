using StackExchange.Redis;

namespace Loire.Actors.Redis;

/// <summary>What one look at the cluster found.</summary>
internal sealed record Beat
{
    /// <summary>Whether the lease was renewed.</summary>
    public required bool Renewed { get; init; }

    /// <summary>Why it was not.</summary>
    public required string Refusal { get; init; }

    /// <summary>The version of the membership.</summary>
    public required long Version { get; init; }

    /// <summary>When the next lease ends, unless it is renewed; null when there is none.</summary>
    public required TimeSpan? FirstExpiry { get; init; }

    /// <summary>A silo that is gone and has entries in the directory; empty when there is none.</summary>
    public required string Sweep { get; init; }

    /// <summary>Silos that this look declared dead, and how long after their leases ended, in milliseconds.</summary>
    public required IReadOnlyList<(string Silo, long Late)> Deaths { get; init; }

    public static Beat From(RedisResult result)
    {
        var parts = result.Parts();
        var wait = (long)parts[2];
        return new()
        {
            Renewed = (long)parts[0] == 1,
            Version = (long)parts[1],
            FirstExpiry = wait < 0 ? null : TimeSpan.FromMilliseconds(wait),
            Sweep = (string?)parts[3] ?? "",
            Refusal = (string?)parts[4] ?? "",
            Deaths = [.. Enumerable.Range(0, (parts.Length - 5) / 2).Select(i => (parts[5 + (2 * i)].Text(), (long)parts[6 + (2 * i)]))],
        };
    }
}
