using Loire.Engine.State;
using Loire.Store;
using Loire.Telemetry;

namespace Loire.Silo.Replicas;

/// <summary>A checkpoint that is in the store.</summary>
/// <param name="Address">Where.</param>
/// <param name="Tokens">Tokens that its state covers.</param>
/// <param name="StoredBytes">Handed to the store for it; pages known to be there are not.</param>
/// <param name="StateBytes">Of the whole state.</param>
/// <param name="Blobs">All of it, as the store has them.</param>
internal sealed record StoredCheckpoint(Digest Address, int Tokens, long StoredBytes, long StateBytes, IReadOnlyList<BlobReference> Blobs)
{
    /// <summary>All its full pages.</summary>
    public IReadOnlyList<BlobReference> Pages { get; } = [.. Blobs.Where(blob => blob.Kind == BlobKind.KeyValuePage)];
}

/// <summary>Writes a snapshot to the store: recurrent state, new pages, tail, and then the manifest.</summary>
internal sealed class CheckpointWriter(ICheckpointStore store, LoireMetrics metrics, TimeProvider time)
{
    /// <summary>Runs on the thread pool, so that copying and hashing delay nobody's tokens. Disposes the snapshot in any case.</summary>
    /// <param name="snapshot">Of the state after its token count.</param>
    /// <param name="prefix">Digests of at least these tokens; nobody else changes them meanwhile.</param>
    /// <param name="known">Pages before the snapshot's first, as the store has them.</param>
    /// <exception cref="MissingStateException">A known page is not stored any more: take the snapshot again from page 0.</exception>
    public Task<StoredCheckpoint> WriteAsync(StateSnapshot snapshot, PrefixDigests prefix, IReadOnlyList<BlobReference> known) =>
        Task.Run(async () =>
        {
            using (snapshot)
            {
                return await WriteCoreAsync(snapshot, prefix, known);
            }
        });

    private async Task<StoredCheckpoint> WriteCoreAsync(StateSnapshot snapshot, PrefixDigests prefix, IReadOnlyList<BlobReference> known)
    {
        var start = time.GetTimestamp();
        var references = new List<BlobReference>(known.Where(page => page.Page < snapshot.FromPage));
        if (references.Count != snapshot.FromPage * snapshot.Shape.KeyValue.Length)
        {
            throw new MissingStateException(
                $"The snapshot begins at page {snapshot.FromPage}, but {references.Count} of {snapshot.FromPage * snapshot.Shape.KeyValue.Length} pages before it are known to be stored.",
                prefix.CheckpointAddress(snapshot.TokenCount));
        }

        long written = 0;
        foreach (var batch in BlobBatches.Cut(Parts(snapshot, prefix), static part => part.Bytes))
        {
            written += await PutAsync(batch, snapshot, references);
        }

        var manifest = CheckpointManifest.Create(prefix, snapshot.TokenCount, StateShape.DType, references, time.GetUtcNow());
        await store.PutCheckpointAsync(manifest);
        metrics.Checkpoints.Written(written, time.GetElapsedTime(start).TotalMilliseconds);
        return new StoredCheckpoint(manifest.Address, snapshot.TokenCount, written, manifest.StateBytes, references);
    }

    private static IEnumerable<Part> Parts(StateSnapshot snapshot, PrefixDigests prefix)
    {
        var (shape, tokens) = (snapshot.Shape, snapshot.TokenCount);
        foreach (var (layer, bytes) in shape.Recurrent)
        {
            yield return new Part(BlobKind.RecurrentState, layer, 0, prefix.BlobAddress(BlobKind.RecurrentState, layer, tokens, StateShape.DType), bytes);
        }

        foreach (var (layer, bytesPerToken) in shape.KeyValue)
        {
            for (var page = snapshot.FromPage; page < snapshot.FullPages; page++)
            {
                yield return new Part(BlobKind.KeyValuePage, layer, page, prefix.PageAddress(layer, page, StateShape.DType), bytesPerToken * StateShape.PageTokens);
            }

            if (snapshot.TailTokens > 0)
            {
                var address = prefix.BlobAddress(BlobKind.KeyValueTail, layer, tokens, StateShape.DType);
                yield return new Part(BlobKind.KeyValueTail, layer, snapshot.FullPages, address, bytesPerToken * snapshot.TailTokens);
            }
        }
    }

    private async Task<long> PutAsync(List<Part> batch, StateSnapshot snapshot, List<BlobReference> references)
    {
        var bytes = batch.Sum(part => part.Bytes);
        using var buffer = new BlobBuffer(bytes);
        var contents = batch.ConvertAll(part =>
        {
            var content = buffer.Take(part.Bytes);
            part.Read(snapshot, content.Span);
            return new BlobContent(part.Kind, part.Layer, part.Page, part.Address, StateShape.DType, content);
        });
        references.AddRange(await store.PutBlobsAsync(contents));
        return bytes;
    }

    private readonly record struct Part(BlobKind Kind, int Layer, int Page, Digest Address, int Bytes)
    {
        public void Read(StateSnapshot snapshot, Span<byte> blob)
        {
            switch (Kind)
            {
                case BlobKind.RecurrentState:
                    snapshot.ReadRecurrent(Layer, blob);
                    break;
                case BlobKind.KeyValuePage:
                    snapshot.ReadPage(Layer, Page, blob);
                    break;
                default:
                    snapshot.ReadTail(Layer, blob);
                    break;
            }
        }
    }
}
