using Loire.Engine.Replica;
using Loire.Engine.State;
using Loire.Store;
using Loire.Telemetry;
using Microsoft.Extensions.Logging;

namespace Loire.Silo.Replicas;

/// <summary>Reads stored states into the slots and pages that the engine reserves. What does not match its promise is refused and forgotten.</summary>
internal sealed partial class CheckpointReader(ICheckpointStore store, LoireMetrics metrics, TimeProvider time, ILogger<CheckpointReader> logger)
{
    private const int BatchesAtOnce = 2;

    /// <param name="address">Of the checkpoint.</param>
    /// <param name="tokens">Tokens that it covers.</param>
    /// <param name="prefix">Digests of the prompt; not changed before the sequence has started.</param>
    /// <param name="found">The manifest, where it was read already.</param>
    public RestoredState Open(Digest address, int tokens, PrefixDigests prefix, CheckpointManifest? found)
    {
        var restored = new RestoredState();
        restored.Restore = new StateRestore(tokens, (target, cancellationToken) => ReadAsync(restored, address, prefix, found, target, cancellationToken));
        return restored;
    }

    private async ValueTask ReadAsync(
        RestoredState restored, Digest address, PrefixDigests prefix, CheckpointManifest? found, StateTarget target, CancellationToken cancellationToken)
    {
        var start = time.GetTimestamp();
        var manifest = found;
        try
        {
            manifest ??= await store.GetCheckpointAsync(address, cancellationToken)
                ?? throw new StateRefusedException($"Checkpoint {address} is no longer stored.");
            manifest.RequireMatch(prefix, StateShape.DType);
            var parts = Layout(manifest, target);
            await Parallel.ForEachAsync(
                BlobBatches.Cut(parts, static blob => blob.Length),
                new ParallelOptions { MaxDegreeOfParallelism = BatchesAtOnce, CancellationToken = cancellationToken },
                (batch, token) => ReadBatchAsync(batch, target, token));
            restored.Pages = [.. manifest.Blobs.Where(blob => blob.Kind == BlobKind.KeyValuePage)];
            metrics.Checkpoints.Restored(time.GetElapsedTime(start).TotalMilliseconds);
        }
        catch (StoreException passing) when (passing is StoreUnavailableException or StoreSlowException)
        {
            // Nothing is known to be wrong with the state: the next turn may well read it.
            metrics.Checkpoints.Refused();
            LogNotRead(address, passing.Message);
            throw new StateRefusedException(WarningOf(tokens: target.TokenCount, passing), passing);
        }
        catch (Exception fault) when (fault is StoreException or StateRefusedException)
        {
            await ForgetAsync(address, fault);
            if (manifest is not null && fault is DamagedBlobException)
            {
                await PutDamagedAsideAsync(manifest, cancellationToken);
            }

            throw fault as StateRefusedException ?? new StateRefusedException(WarningOf(target.TokenCount, fault), fault);
        }
    }

    /// <summary>What clients are told: what is wrong, without the paths of the server.</summary>
    private static string WarningOf(int tokens, Exception fault) => fault switch
    {
        DamagedBlobException { Reference: var blob, Damage: var damage } =>
            $"The stored state of {tokens} tokens was damaged ({blob.Kind} of layer {blob.Layer}, page {blob.Page}: {damage}), and is computed anew.",
        StoreUnavailableException or StoreSlowException => $"The stored state of {tokens} tokens could not be read now, and is computed anew.",
        CheckpointRefusedException refused => $"The stored state of {tokens} tokens was refused ({refused.Field}), and is computed anew.",
        _ => $"The stored state of {tokens} tokens could not be used, and is computed anew.",
    };

    /// <summary>The blobs that the target needs, each with the length that its shape says.</summary>
    private static List<BlobReference> Layout(CheckpointManifest manifest, StateTarget target)
    {
        if (manifest.TokenCount != target.TokenCount)
        {
            throw new StateRefusedException($"Checkpoint {manifest.Address} covers {manifest.TokenCount} tokens; {target.TokenCount} were promised.");
        }

        var listed = manifest.Blobs.ToDictionary(blob => (blob.Kind, blob.Layer, blob.Kind == BlobKind.KeyValuePage ? blob.Page : 0));
        return
        [
            .. target.Shape.Recurrent.Select(layer => Require(BlobKind.RecurrentState, layer.Layer, 0, layer.Bytes)),
            .. from layer in target.Shape.KeyValue
               from page in Enumerable.Range(0, target.FullPages)
               select Require(BlobKind.KeyValuePage, layer.Layer, page, layer.BytesPerToken * StateShape.PageTokens),
            .. target.Shape.KeyValue
                .Where(_ => target.TailTokens > 0)
                .Select(layer => Require(BlobKind.KeyValueTail, layer.Layer, 0, layer.BytesPerToken * target.TailTokens)),
        ];

        BlobReference Require(BlobKind kind, int layer, int page, int length) =>
            !listed.TryGetValue((kind, layer, page), out var blob)
                ? throw new StateRefusedException($"Checkpoint {manifest.Address} lists no {kind} of layer {layer}, page {page}.")
                : blob.Length != length
                    ? throw new StateRefusedException($"Checkpoint {manifest.Address}: {kind} of layer {layer}, page {page} has {blob.Length} bytes; the model needs {length}.")
                    : blob;
    }

    private async ValueTask ReadBatchAsync(List<BlobReference> batch, StateTarget target, CancellationToken cancellationToken)
    {
        using var buffer = new BlobBuffer((int)batch.Sum(blob => blob.Length));
        var destinations = batch.ConvertAll(blob => new BlobDestination(blob, buffer.Take((int)blob.Length)));
        await store.ReadBlobsAsync(destinations, cancellationToken);
        foreach (var (blob, content) in destinations)
        {
            switch (blob.Kind)
            {
                case BlobKind.RecurrentState:
                    target.WriteRecurrent(blob.Layer, content.Span);
                    break;
                case BlobKind.KeyValuePage:
                    target.WritePage(blob.Layer, blob.Page, content.Span);
                    break;
                default:
                    target.WriteTail(blob.Layer, content.Span);
                    break;
            }
        }
    }

    /// <summary>The store puts a damaged blob aside when it is read; each is, so that the state can be written anew in one go.</summary>
    private async ValueTask PutDamagedAsideAsync(CheckpointManifest manifest, CancellationToken cancellationToken)
    {
        foreach (var blob in manifest.Blobs)
        {
            using var buffer = new BlobBuffer((int)blob.Length);
            try
            {
                await store.ReadBlobsAsync([new BlobDestination(blob, buffer.Take((int)blob.Length))], cancellationToken);
            }
            catch (StoreException fault)
            {
                LogPutAside(fault.Message);
            }
        }
    }

    /// <summary>So that no lookup finds it again before it is written anew.</summary>
    private async ValueTask ForgetAsync(Digest address, Exception fault)
    {
        metrics.Checkpoints.Refused();
        LogRefused(address, fault.Message);
        try
        {
            await store.DiscardCheckpointAsync(address, CancellationToken.None);
        }
        catch (StoreException second)
        {
            LogNotForgotten(address, second.Message);
        }
    }

    [LoggerMessage(LogLevel.Warning, "State {Checkpoint} is computed anew: {Fault}")]
    private partial void LogRefused(Digest checkpoint, string fault);

    [LoggerMessage(LogLevel.Warning, "State {Checkpoint} cannot be read now, and is computed anew this once: {Fault}")]
    private partial void LogNotRead(Digest checkpoint, string fault);

    [LoggerMessage(LogLevel.Warning, "{Fault}")]
    private partial void LogPutAside(string fault);

    [LoggerMessage(LogLevel.Warning, "State {Checkpoint} was refused and could not be discarded: {Fault}")]
    private partial void LogNotForgotten(Digest checkpoint, string fault);
}

/// <summary>A state on its way from the store: what the engine calls, and what is known once it has been read.</summary>
internal sealed class RestoredState
{
    public StateRestore? Restore { get; set; }

    /// <summary>All full pages of the state, as the store has them; empty until it has been read.</summary>
    public IReadOnlyList<BlobReference> Pages { get; set; } = [];
}
