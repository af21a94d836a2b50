using StackExchange.Redis;

namespace Loire.Store.Redis;

/// <summary>Blobs in Redis: looked for together, put if absent, visible only when whole.</summary>
internal sealed class RedisBlobs(RedisContext context, InFlightBytes inFlight)
{
    /// <summary>Addresses in one look: a few hundred microseconds of the server's time.</summary>
    private const int LookBatch = 512;

    /// <summary>Pieces whose head was never put, since the writer died, are gone after this.</summary>
    private static readonly TimeSpan UploadTimeToLive = TimeSpan.FromMinutes(30);

    private RedisStoreOptions Options => context.Options;

    /// <summary>1. looks for all addresses at once; 2. sends what is missing, many at a time.</summary>
    public async Task<BlobReference[]> PutAsync(IReadOnlyList<BlobContent> blobs, CancellationToken cancellationToken)
    {
        foreach (var blob in blobs)
        {
            BlobHeader.Check(blob);
        }

        var references = new BlobReference?[blobs.Count];
        for (var start = 0; start < blobs.Count; start += LookBatch)
        {
            await LookAsync(blobs, start, Math.Min(LookBatch, blobs.Count - start), references, cancellationToken);
        }

        await FirstFailure.OfAllAsync(Enumerable.Range(0, blobs.Count).Where(i => references[i] is null), PutOneAsync);
        return references as BlobReference[];

        async Task PutOneAsync(int i) => references[i] = await PutAsync(blobs[i], cancellationToken);
    }

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

    private async Task LookAsync(
        IReadOnlyList<BlobContent> blobs, int start, int count, BlobReference?[] references, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        var arguments = new RedisValue[count + 1];
        arguments[0] = context.Now;
        for (var i = 0; i < count; i++)
        {
            arguments[i + 1] = blobs[start + i].Address.ToString();
        }

        var answers = (RedisResult[])await context.RunAsync(context.Bulk, $"look for {count} blobs", RedisScript.BlobLook, arguments);
        for (var i = 0; i < count; i++)
        {
            if ((RedisResult[])answers[i] is [var head, var found])
            {
                references[start + i] = await ShareAsync(blobs[start + i], (byte[])head, (long)found);
            }
        }
    }

    /// <returns>The reference of what is there, or null when it was damaged and has been put aside.</returns>
    private async Task<BlobReference?> ShareAsync(BlobContent blob, byte[] head, long found)
    {
        if (Inspect(blob.Address, head, found, out var value) is { } fault)
        {
            await PutAsideAsync(blob.Address, found < 0 ? null : head, fault);
            return null;
        }

        var stored = value.Header.ToReference();
        if (stored.Length != blob.Content.Length || stored.Kind != blob.Kind || stored.DType != blob.DType)
        {
            throw new BlobConflictException(
                $"Blob '{context.Keys.Blob(blob.Address)}' is {stored.Kind} of {stored.Length} bytes in {stored.DType}; "
                + $"{blob.Kind} of {blob.Content.Length} bytes in {blob.DType} was to be put there. Two writers disagree on the layout.");
        }

        context.Counters.Add(StoreCount.BlobsShared);
        return stored;
    }

    private async Task<BlobReference> PutAsync(BlobContent blob, CancellationToken cancellationToken)
    {
        const int Attempts = 4;
        var tried = $"write blob {blob.Address} of {blob.Content.Length} bytes";
        for (var attempt = 0; attempt < Attempts; attempt++)
        {
            var value = BlobValue.Of(blob, Options.ChunkBytes);
            var answer = await WriteAsync(blob, value, tried, cancellationToken);
            var status = (long)answer[0];
            context.Learn(answer[3]);
            if (status == 1 || (status == 0 && IsOwn((byte[])answer[1], blob.Address, value)))
            {
                context.Counters.Add(StoreCount.BlobsWritten);
                return value.Header.ToReference();
            }

            await DropChunksAsync(blob.Address, value);
            if (status == -2)
            {
                context.Counters.Add(StoreCount.FullRefusals);
                throw new StoreFullException(
                    $"The store in Redis at {context.Bulk.Address} is full: {context.Bytes} of {Options.MaxBytes} bytes are used and "
                    + $"{blob.Content.Length} more were asked for. Delete sessions, shorten the time to live, or raise MaxBytes.");
            }

            if (status == 0 && await ShareAsync(blob, (byte[])answer[1], (long)answer[2]) is { } stored)
            {
                return stored;
            }
        }

        throw new StoreUnavailableException(
            $"Could not {tried}: after {Attempts} attempts its pieces were gone or damaged each time. Look whether Redis at {context.Bulk.Address} evicts keys.");
    }

    /// <summary>The chunks first, each to expire on its own; then the head, which makes them one with it and the blob visible.</summary>
    private async Task<RedisResult[]> WriteAsync(BlobContent blob, BlobValue value, string tried, CancellationToken cancellationToken)
    {
        if (value.Chunks > 0)
        {
            await FirstFailure.OfAllAsync(Enumerable.Range(0, value.Chunks), i => WriteChunkAsync(blob, value, i, tried, cancellationToken));
        }

        return await WithRoomAsync(tried, BlobValue.HeadBytes + (value.Chunks == 0 ? blob.Content.Length : 0), async () =>
        {
            RedisValue bytes = value.ToBytes(blob.Content.Span);
            return (RedisResult[])await context.RunAsync(
                context.Bulk, tried, RedisScript.BlobPut, blob.Address.ToString(), bytes, value.Header.Length, context.Now, Options.MaxBytes ?? 0);
        }, cancellationToken);
    }

    private Task<bool> WriteChunkAsync(BlobContent blob, BlobValue value, int index, string tried, CancellationToken cancellationToken)
    {
        var (start, length) = value.ChunkAt(index);
        return WithRoomAsync(tried, length, async () =>
        {
            RedisKey key = context.Keys.Chunk(blob.Address, value.Write, index);
            RedisValue bytes = blob.Content.Slice(start, length).ToArray();
            try
            {
                return await context.Bulk.AskAsync(tried, database => database.StringSetAsync(key, bytes, UploadTimeToLive));
            }
            catch (StoreFullException)
            {
                context.Counters.Add(StoreCount.FullRefusals);
                throw;
            }
        }, cancellationToken);
    }

    private async Task DropChunksAsync(Digest address, BlobValue value)
    {
        if (value.Chunks > 0)
        {
            RedisKey[] keys = [.. Enumerable.Range(0, value.Chunks).Select(i => (RedisKey)context.Keys.Chunk(address, value.Write, i))];
            await context.Bulk.AskAsync($"drop the pieces of blob {address}", database => database.KeyDeleteAsync(keys));
        }
    }

    private async Task ReadAsync(BlobDestination blob, CancellationToken cancellationToken)
    {
        var (reference, destination) = blob;
        var path = context.Keys.Blob(reference.Address);
        var tried = $"read blob {reference.Address}";
        var expected = BlobValue.HeadBytes + Math.Min(reference.Length, RedisStoreOptions.MostValueBytes);
        byte[]? bytes = [];
        var isForeign = false;
        var fault = await WithRoomAsync(tried, expected, async () =>
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
            await PutAsideAsync(reference.Address, isForeign ? null : bytes, found);
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
        return WithRoomAsync<BlobFault?>(tried, length, async () =>
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

    private async Task<T> WithRoomAsync<T>(string tried, long bytes, Func<Task<T>> act, CancellationToken cancellationToken)
    {
        long taken;
        try
        {
            taken = await inFlight.EnterAsync(bytes, Options.OperationTimeout, cancellationToken);
        }
        catch (TimeoutException failure)
        {
            throw RedisFaults.Slow(tried, context.Bulk.Address, Options.OperationTimeout, failure);
        }

        try
        {
            return await act();
        }
        finally
        {
            inFlight.Release(taken);
        }
    }

    /// <param name="address">Its address.</param>
    /// <param name="head">Its first bytes as they were seen; null for a value of another type.</param>
    /// <param name="fault">What is wrong with it.</param>
    private Task PutAsideAsync(Digest address, byte[]? head, BlobFault fault) => context.PutAsideAsync(
        "b", RedisKeys.Blobs, address, head is null ? "" : BlobValue.FingerprintOf(head), fault.Found);

    private static bool IsOwn(byte[] head, Digest address, BlobValue value) =>
        BlobValue.TryRead(head, address, out var there) is null && there.Write == value.Write;

    /// <summary>Looks at a blob from outside: head and length, not content.</summary>
    private static BlobFault? Inspect(Digest address, byte[] head, long found, out BlobValue value)
    {
        value = default;
        if (found < 0)
        {
            return new BlobFault(BlobDamage.Header, "a value of another type is in its place");
        }

        return BlobValue.TryRead(head, address, out value) is { } fault ? fault
            : found == value.Header.Length ? null
            : new BlobFault(BlobDamage.Length, $"{found} bytes of content are there; its header says {value.Header.Length}");
    }

    private static BlobFault? Compare(BlobHeader header, BlobReference reference) => header.ToReference() == reference
        ? null
        : new BlobFault(
            BlobDamage.Replaced,
            $"it is {header.Kind} of {header.Length} bytes in {header.DType} with checksum {header.Checksum}; "
            + $"the checkpoint lists {reference.Length} bytes in {reference.DType} with checksum {reference.Checksum}");
}
