using System.Runtime.InteropServices;
using System.Security.Cryptography;

namespace Loire.Store;

/// <summary>Digests of the prefixes of one token sequence, for one model and owner. Extending costs the new tokens only.</summary>
/// <remarks>
/// Each page end is the digest of the page end before it and the page's tokens, so any prefix has its digest after hashing less than
/// one page. Not thread-safe: whoever appends is alone; readers may share it between appends.
/// <code>
/// seed ──page 0──> d1 ──page 1──> d2 ──few tokens──> d(n)
/// </code>
/// </remarks>
public sealed class PrefixDigests
{
    /// <summary>Largest page. It bounds the stack that a digest needs.</summary>
    public const int MaxPageTokens = 1024;

    private readonly List<Digest> _pageEnds;
    private readonly List<int> _tokens;

    public PrefixDigests(Digest model, StateOwner owner, int pageTokens)
        : this(model, owner, pageTokens, [StateAddress.Seed(model, owner, pageTokens)], [])
    {
    }

    private PrefixDigests(Digest model, StateOwner owner, int pageTokens, List<Digest> pageEnds, List<int> tokens)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(pageTokens, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(pageTokens, MaxPageTokens);
        (Model, Owner, PageTokens, _pageEnds, _tokens) = (model, owner, pageTokens, pageEnds, tokens);
    }

    public Digest Model { get; }

    public StateOwner Owner { get; }

    public int PageTokens { get; }

    /// <summary>Tokens so far.</summary>
    public int TokenCount => _tokens.Count;

    /// <summary>Pages that these tokens fill.</summary>
    public int FullPages => _pageEnds.Count - 1;

    public ReadOnlySpan<int> Tokens => CollectionsMarshal.AsSpan(_tokens);

    /// <summary>Digest after <paramref name="pages"/> full pages; of the empty prefix for 0.</summary>
    public Digest AtPageEnd(int pages) => _pageEnds[pages];

    /// <summary>Digest of the first <paramref name="tokens"/> tokens.</summary>
    public Digest At(int tokens)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(tokens);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(tokens, TokenCount);
        var pages = tokens / PageTokens;
        return tokens == pages * PageTokens
            ? _pageEnds[pages]
            : Extend(_pageEnds[pages], Tokens[(pages * PageTokens)..tokens]);
    }

    /// <summary>Address of the checkpoint after the first <paramref name="tokens"/> tokens.</summary>
    public Digest CheckpointAddress(int tokens) => StateAddress.Checkpoint(At(tokens));

    /// <summary>Address of a full page of keys and values of one layer.</summary>
    public Digest PageAddress(int layer, int page, string dtype) =>
        StateAddress.Blob(BlobKind.KeyValuePage, layer, page, AtPageEnd(page + 1), dtype);

    /// <summary>Address of a blob that belongs to the state after exactly <paramref name="tokens"/> tokens.</summary>
    /// <param name="kind">Any kind but <see cref="BlobKind.KeyValuePage"/>.</param>
    /// <param name="layer">Layer of the model.</param>
    /// <param name="tokens">Tokens that the state has seen.</param>
    /// <param name="dtype">Element type.</param>
    public Digest BlobAddress(BlobKind kind, int layer, int tokens, string dtype) => kind is BlobKind.KeyValuePage or BlobKind.None
        ? throw new ArgumentException($"{kind} has no address by token count; use {nameof(PageAddress)} for pages.", nameof(kind))
        : StateAddress.Blob(kind, layer, kind == BlobKind.KeyValueTail ? tokens / PageTokens : 0, At(tokens), dtype);

    public void Append(ReadOnlySpan<int> tokens)
    {
        _tokens.AddRange(tokens);
        while (TokenCount - (FullPages * PageTokens) >= PageTokens)
        {
            _pageEnds.Add(Extend(_pageEnds[^1], Tokens.Slice(FullPages * PageTokens, PageTokens)));
        }
    }

    /// <summary>Forgets all but the first <paramref name="tokens"/> tokens.</summary>
    public void Truncate(int tokens)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(tokens);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(tokens, TokenCount);
        _tokens.RemoveRange(tokens, TokenCount - tokens);
        var pages = (tokens / PageTokens) + 1;
        _pageEnds.RemoveRange(pages, _pageEnds.Count - pages);
    }

    /// <summary>An independent copy.</summary>
    public PrefixDigests Copy() => new(Model, Owner, PageTokens, [.. _pageEnds], [.. _tokens]);

    private static Digest Extend(Digest before, ReadOnlySpan<int> tokens)
    {
        Span<byte> bytes = stackalloc byte[Digest.ByteCount + (MaxPageTokens * sizeof(int))];
        before.CopyTo(bytes);
        if (BitConverter.IsLittleEndian)
        {
            MemoryMarshal.AsBytes(tokens).CopyTo(bytes[Digest.ByteCount..]);
        }
        else
        {
            throw new PlatformNotSupportedException("Token digests are defined on little-endian tokens; this machine is big-endian.");
        }

        Span<byte> digest = stackalloc byte[Digest.ByteCount];
        SHA256.HashData(bytes[..(Digest.ByteCount + (tokens.Length * sizeof(int)))], digest);
        return new Digest(digest);
    }
}
