namespace Loire.Store.Tests;

/// <summary>States as a small model would have them: two recurrent layers, one softmax layer, pages of four tokens.</summary>
internal static class Samples
{
    public const int PageTokens = 4;
    public const string DType = "f32";

    public static readonly Digest Model = Digest.Of("a model"u8);
    public static readonly StateOwner Alice = StateOwner.OfKey("alice");
    public static readonly StateOwner Bob = StateOwner.OfKey("bob");

    public static PrefixDigests Prefix(params ReadOnlySpan<int> tokens) => StateAddress.Of(Model, Alice, tokens, PageTokens);

    /// <summary>What a writer computes for an address; other writers round differently.</summary>
    public static byte[] Content(Digest address, int length, int writer = 0)
    {
        var bytes = new byte[length];
        Span<byte> word = stackalloc byte[Digest.ByteCount];
        address.CopyTo(word);
        for (var i = 0; i < length; i++)
        {
            bytes[i] = (byte)(word[i % word.Length] + i + writer);
        }

        return bytes;
    }

    public static List<BlobContent> Blobs(PrefixDigests prefix, int tokens, int writer = 0)
    {
        var blobs = new List<BlobContent>();
        foreach (var layer in (ReadOnlySpan<int>)[0, 1])
        {
            Add(BlobKind.RecurrentState, layer, 0, prefix.BlobAddress(BlobKind.RecurrentState, layer, tokens, DType), 100);
        }

        for (var page = 0; page < tokens / PageTokens; page++)
        {
            Add(BlobKind.KeyValuePage, 2, page, prefix.PageAddress(2, page, DType), PageTokens * 16);
        }

        if (tokens % PageTokens is var rest and > 0)
        {
            Add(BlobKind.KeyValueTail, 2, tokens / PageTokens, prefix.BlobAddress(BlobKind.KeyValueTail, 2, tokens, DType), rest * 16);
        }

        return blobs;

        void Add(BlobKind kind, int layer, int page, Digest address, int length) =>
            blobs.Add(new BlobContent(kind, layer, page, address, DType, Content(address, length, writer)));
    }

    public static async Task<CheckpointManifest> SaveAsync(
        ICheckpointStore store, PrefixDigests prefix, int tokens, TimeProvider time, int writer = 0)
    {
        var references = await store.PutBlobsAsync(Blobs(prefix, tokens, writer));
        var manifest = CheckpointManifest.Create(prefix, tokens, DType, references, time.GetUtcNow(), "sampler at " + tokens);
        await store.PutCheckpointAsync(manifest);
        return manifest;
    }

    public static async Task<byte[][]> ReadAsync(ICheckpointStore store, CheckpointManifest manifest)
    {
        var reads = manifest.Blobs.Select(blob => new BlobDestination(blob, new byte[blob.Length])).ToList();
        await store.ReadBlobsAsync(reads);
        return [.. reads.Select(read => read.Content.ToArray())];
    }

    public static async Task AssertRestoresAsync(ICheckpointStore store, CheckpointManifest manifest, int writer = 0)
    {
        var contents = await ReadAsync(store, manifest);
        for (var i = 0; i < contents.Length; i++)
        {
            Assert.Equal(Content(manifest.Blobs[i].Address, contents[i].Length, writer), contents[i]);
        }
    }

    public static TurnRecord Turn(
        TurnRecord? parent, IReadOnlyList<int> tokens, TimeProvider time, CheckpointManifest? checkpoint = null, StateOwner? owner = null) => new TurnRecord
        {
            Parent = parent?.Id,
            Depth = parent is null ? 0 : parent.Depth + 1,
            Owner = owner ?? Alice,
            Model = Model,
            TurnId = "turn-" + (parent is null ? 0 : parent.Depth + 1),
            KeepTokens = parent?.TotalTokens ?? 0,
            NewTokens = tokens,
            GeneratedTokens = tokens.Count / 2,
            FinishReason = "stop",
            KeepMessages = parent?.TotalMessages ?? 0,
            Messages = [new TurnMessage("user", "Grüße 你好 \0 \"" + tokens.Count), new TurnMessage("assistant", "ok", Extra: "{}")],
            Checkpoint = checkpoint?.Address,
            CheckpointTokens = checkpoint?.TokenCount ?? 0,
            CreatedAt = time.GetUtcNow(),
        }.Seal();
}
