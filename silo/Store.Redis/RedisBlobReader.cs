using StackExchange.Redis;

namespace Loire.Store.Redis;

/// <summary>Reads blobs: many at once, each verified, a damaged one put aside.</summary>
internal sealed class RedisBlobReader(RedisContext context, BlobRoom room)
{
    public async Task ReadAsync(IReadOnlyList<BlobDestination> blobs, CancellationToken cancellationToken)
    {
        foreach (var (reference, destination) in blobs)
        {
            if (destination.Length != reference.Length)
            {
                throw new ArgumentException(
                    $"Blob {reference.Kind} of layer {reference.Layer}, page {reference.Page} has {reference.Length} bytes; its destination has {destination.Length}.");
            }
        }

        await FirstFailure.OfAllAsync(Enumerable.Range(0, blobs.Count), i => ReadAsync(blobs[i], cancellationToken));
    }

    private async Task ReadAsync(BlobDestination blob, CancellationToken cancellationToken)
    {
        var (reference, destination) = blob;
        var path = context.Keys.Blob(reference.Address);
        var tried = $"read blob {reference.Address}";
        var expected = BlobValue.HeadBytes + Math.Min(reference.Length, RedisStoreOptions.MostValueBytes);
        byte[]? bytes = [];
        var isForeign = false;
        var fault = await room.WithinAsync(tried, expected, async () =>
        {
            try
            {
                bytes = await context.Bulk.AskAsync(tried, database => database.StringGetAsync(path));
            }
            catch (RedisServerException foreign)
            {
                isForeign = true;
                return new BlobFault(BlobDamage.Header, foreign.Message);
            }

            return bytes is null ? new BlobFault(BlobDamage.Missing, "it is not stored") : (BlobFault?)null;
        }, cancellationToken);
        bytes ??= [];
        fault ??= BlobValue.TryRead(bytes, reference.Address, out var value) ?? Compare(value.Header, reference)
            ?? await ReadContentAsync(value, bytes, destination, tried, cancellationToken);
        if (fault is not { } found)
        {
            context.Counters.Add(StoreCount.BlobsRead);
            return;
        }

        if (found.Damage is not (BlobDamage.Missing or BlobDamage.Replaced))
        {
            await context.PutBlobAsideAsync(reference.Address, isForeign ? null : bytes, found);
        }

        throw new DamagedBlobException(reference, path, found.Damage, found.Found);
    }

    private async Task<BlobFault?> ReadContentAsync(
        BlobValue value, byte[] bytes, Memory<byte> destination, string tried, CancellationToken cancellationToken)
    {
        if (value.Chunks == 0)
        {
            if (bytes.Length - BlobValue.HeadBytes != value.Header.Length)
            {
                return new BlobFault(
                    BlobDamage.Length, $"the value has {bytes.Length - BlobValue.HeadBytes} bytes of content; its header says {value.Header.Length}");
            }

            bytes.AsSpan(BlobValue.HeadBytes).CopyTo(destination.Span);
        }
        else
        {
            var faults = new BlobFault?[value.Chunks];
            await FirstFailure.OfAllAsync(
                Enumerable.Range(0, value.Chunks),
                async i => faults[i] = await ReadChunkAsync(value, i, destination, tried, cancellationToken));
            if (faults.FirstOrDefault(fault => fault is not null) is { } fault)
            {
                return fault;
            }
        }

        return Checksum.Of(destination.Span) is var found && found == value.Header.Checksum
            ? null
            : new BlobFault(BlobDamage.Content, $"its bytes have checksum {found}; its header says {value.Header.Checksum}");
    }

    private Task<BlobFault?> ReadChunkAsync(
        BlobValue value, int index, Memory<byte> destination, string tried, CancellationToken cancellationToken)
    {
        var (start, length) = value.ChunkAt(index);
        RedisKey key = context.Keys.Chunk(value.Header.Address, value.Write, index);
        return room.WithinAsync<BlobFault?>(tried, length, async () =>
        {
            byte[]? bytes;
            try
            {
                bytes = await context.Bulk.AskAsync(tried, database => database.StringGetAsync(key));
            }
            catch (RedisServerException foreign)
            {
                return new BlobFault(BlobDamage.Content, $"piece {index}: {foreign.Message}");
            }

            if (bytes is null || bytes.Length != length)
            {
                return new BlobFault(BlobDamage.Length, $"piece {index} of {value.Chunks} has {bytes?.Length ?? 0} bytes; {length} are expected");
            }

            bytes.CopyTo(destination.Slice(start, length));
            return null;
        }, cancellationToken);
    }

    private static BlobFault? Compare(BlobHeader header, BlobReference reference) => header.ToReference() == reference
        ? null
        : new BlobFault(
            BlobDamage.Replaced,
            $"it is {header.Kind} of {header.Length} bytes in {header.DType} with checksum {header.Checksum}; "
            + $"the checkpoint lists {reference.Length} bytes in {reference.DType} with checksum {reference.Checksum}");
}
