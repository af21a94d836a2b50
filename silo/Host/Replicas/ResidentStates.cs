using Loire.Engine.Replica;
using Loire.Store;

namespace Loire.Silo.Replicas;

/// <summary>A state that a finished turn left on the device or another silo sent, and its blobs as the store has them.</summary>
/// <param name="Owner">Whose tokens it has seen.</param>
/// <param name="Address">Of its checkpoint; its text form is the engine's key.</param>
/// <param name="Tokens">Tokens that it covers.</param>
/// <param name="Blobs">All of it, as the store has them.</param>
/// <param name="Prefix">Digests of at least these tokens; nobody changes them any more.</param>
/// <param name="LastUsed">When its turn ended.</param>
internal sealed record ResidentState(StateOwner Owner, Digest Address, int Tokens, IReadOnlyList<BlobReference> Blobs, PrefixDigests Prefix, DateTimeOffset LastUsed)
{
    /// <summary>All its full pages, as the store has them.</summary>
    public IReadOnlyList<BlobReference> Pages => [.. Blobs.Where(blob => blob.Kind == BlobKind.KeyValuePage)];

    public int FullPages => Tokens / Prefix.PageTokens;
}

/// <summary>What is known of the states that one engine keeps between turns. The engine evicts by itself, so an entry may be stale.</summary>
/// <remarks>Bounded by the engine's slots: an entry that has lost its state is dropped when the next one comes. Owned by one replica's scheduler.</remarks>
internal sealed class ResidentStates(IReplicaEngine engine)
{
    private readonly Dictionary<Digest, ResidentState> _states = [];

    public int Count => _states.Count;

    public bool IsResident(Digest address) => engine.IsResident(address.ToString());

    /// <summary>The longest resident state that is the state of a prefix of these tokens.</summary>
    public ResidentState? FindLongest(PrefixDigests prefix, int maxTokens)
    {
        ResidentState? best = null;
        foreach (var state in _states.Values)
        {
            if (state.Tokens <= maxTokens
                && state.Tokens > (best?.Tokens ?? 0)
                && state.Owner == prefix.Owner
                && prefix.CheckpointAddress(state.Tokens) == state.Address
                && IsResident(state.Address))
            {
                best = state;
            }
        }

        return best;
    }

    public ResidentState? Find(Digest address) => _states.GetValueOrDefault(address);

    /// <summary>The resident state that begins with the most full pages of these tokens, and how many. Null: none has one.</summary>
    public (ResidentState Lender, int Pages)? FindLender(PrefixDigests prefix)
    {
        (ResidentState Lender, int Pages)? best = null;
        foreach (var state in _states.Values)
        {
            var pages = CommonPages(state, prefix);
            if (pages > (best?.Pages ?? 0) && IsResident(state.Address))
            {
                best = (state, pages);
            }
        }

        return best;
    }

    public void Add(ResidentState state)
    {
        foreach (var address in _states.Keys.Where(address => !IsResident(address)).ToArray())
        {
            _states.Remove(address);
        }

        _states[state.Address] = state;
    }

    /// <summary>A page end's digest stands for all tokens before it, model and owner included: the last equal one is searched for.</summary>
    private static int CommonPages(ResidentState state, PrefixDigests prefix)
    {
        var (least, most) = (0, Math.Min(state.FullPages, prefix.FullPages));
        while (least < most)
        {
            var middle = (least + most + 1) / 2;
            (least, most) = state.Prefix.AtPageEnd(middle) == prefix.AtPageEnd(middle) ? (middle, most) : (least, middle - 1);
        }

        return least;
    }

    /// <summary>The state is in use again, or gone.</summary>
    public void Remove(Digest address) => _states.Remove(address);

    public async ValueTask<bool> ReleaseAsync(Digest address)
    {
        _states.Remove(address);
        return await engine.ReleaseAsync(address.ToString());
    }

    /// <summary>Releases what was last used before <paramref name="before"/>. Nothing is lost: each is in the store.</summary>
    public async ValueTask<int> ReleaseIdleAsync(DateTimeOffset before)
    {
        var released = 0;
        foreach (var state in _states.Values.Where(state => state.LastUsed < before).ToArray())
        {
            released += await ReleaseAsync(state.Address) ? 1 : 0;
        }

        return released;
    }
}
