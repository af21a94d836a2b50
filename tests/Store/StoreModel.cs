namespace Loire.Store.Tests;

/// <summary>What a store should hold, kept in plain dictionaries: the oracle of the random tests.</summary>
internal sealed class StoreModel(TimeSpan timeToLive, int keepCheckpoints)
{
    public Dictionary<string, SessionReference> Sessions { get; } = [];

    public Dictionary<Digest, TurnRecord> Turns { get; } = [];

    public Dictionary<Digest, CheckpointManifest> Checkpoints { get; } = [];

    /// <summary>Last use of turns, checkpoints and blobs.</summary>
    public Dictionary<Digest, DateTimeOffset> LastUse { get; } = [];

    public HashSet<Digest> Blobs { get; } = [];

    public List<int> TokensAt(Digest? head)
    {
        var tokens = new List<int>();
        foreach (var turn in Chain(head).Reverse())
        {
            tokens.RemoveRange(turn.KeepTokens, tokens.Count - turn.KeepTokens);
            tokens.AddRange(turn.NewTokens);
        }

        return tokens;
    }

    public IEnumerable<TurnRecord> Chain(Digest? head)
    {
        for (var at = head; at is { } id && Turns.TryGetValue(id, out var turn); at = turn.Parent)
        {
            yield return turn;
        }
    }

    /// <summary>Length of the longest stored checkpoint that these tokens begin with; 0 for none.</summary>
    public int LongestPrefix(PrefixDigests prefix, int maxTokens)
    {
        for (var tokens = Math.Min(maxTokens, prefix.TokenCount); tokens > 0; tokens--)
        {
            if (Checkpoints.ContainsKey(prefix.CheckpointAddress(tokens)))
            {
                return tokens;
            }
        }

        return 0;
    }

    /// <summary>Forgets what a sweep at this moment has to delete, and nothing else.</summary>
    public void Sweep(DateTimeOffset now)
    {
        var (turns, checkpoints) = Reached();
        foreach (var young in Turns.Values.Where(turn => IsYoung(turn.Id, now)))
        {
            turns.UnionWith(Chain(young.Id).Select(turn => turn.Id));
        }

        checkpoints.UnionWith(Checkpoints.Keys.Where(address => IsYoung(address, now)));
        Keep(Turns, turns);
        Keep(Checkpoints, checkpoints);
        var listed = Checkpoints.Values.SelectMany(manifest => manifest.Blobs).Select(blob => blob.Address).ToHashSet();
        Blobs.RemoveWhere(blob => !listed.Contains(blob) && !IsYoung(blob, now));
    }

    /// <summary>What sessions reach, however old.</summary>
    public (HashSet<Digest> Turns, HashSet<Digest> Checkpoints) Reached()
    {
        var turns = new HashSet<Digest>();
        var checkpoints = new HashSet<Digest>();
        foreach (var session in Sessions.Values)
        {
            Reach(session.Head, keepCheckpoints);
            Reach(session.ForkedFrom?.Turn, 1);
        }

        return (turns, checkpoints);

        void Reach(Digest? head, int keep)
        {
            var chain = Chain(head).ToList();
            turns.UnionWith(chain.Select(turn => turn.Id));
            checkpoints.UnionWith(chain.Take(keep).Select(turn => turn.Checkpoint).OfType<Digest>());
        }
    }

    private bool IsYoung(Digest address, DateTimeOffset now) => LastUse[address] >= now - timeToLive;

    private static void Keep<T>(Dictionary<Digest, T> all, HashSet<Digest> kept)
    {
        foreach (var address in all.Keys.Where(address => !kept.Contains(address)).ToList())
        {
            all.Remove(address);
        }
    }
}
