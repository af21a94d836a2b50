using StackExchange.Redis;

namespace Loire.Store.Redis;

/// <summary>Writes blobs: looked for together, put if absent, visible only when whole.</summary>
/// <remarks>
/// <para>A few round trips, however many blobs: 1. one script looks for all addresses; 2. what is missing is sent, many at once, each
/// value to expire on its own; 3. one script makes them stay, counted and indexed. Content passes no script: Lua would copy it thrice.</para>
/// <para>A blob above <see cref="RedisStoreOptions.ChunkBytes"/> goes in pieces, and its head, put last, makes it visible.</para>
/// </remarks>
internal sealed class RedisBlobWriter(RedisContext context, BlobRoom room)
{
    /// <summary>Addresses in one script: a few hundred microseconds of the server's time.</summary>
    private const int ScriptBatch = 512;

    /// <summary>A blob that vanishes, or is found damaged, between two steps is tried again; this often.</summary>
    private const int Attempts = 4;

    /// <summary>What was sent and never made to stay, since the writer died, is gone after this.</summary>
    private static readonly TimeSpan UploadTimeToLive = TimeSpan.FromMinutes(30);

    private RedisStoreOptions Options => context.Options;

    public async Task<IReadOnlyList<BlobReference>> PutAsync(IReadOnlyList<BlobContent> blobs, CancellationToken cancellationToken)
    {
        var puts = new List<Put>(blobs.Count);
        foreach (var blob in blobs)
        {
            BlobHeader.Check(blob);
            puts.Add(new Put(blob));
        }

        var missing = puts;
        for (var attempt = 0; missing.Count > 0; attempt++)
        {
            if (attempt == Attempts)
            {
                throw new StoreUnavailableException(
                    $"Could not write {missing.Count} blobs, such as {missing[0].Blob.Address}: after {Attempts} attempts they were gone or damaged each time. "
                    + $"Look whether Redis at {context.Bulk.Address} evicts keys.");
            }

            missing = await InBatchesAsync(missing, batch => LookAsync(batch, cancellationToken));
            await FirstFailure.OfAllAsync(Enumerable.Range(0, missing.Count), i => WriteAsync(missing[i], cancellationToken));
            missing = await InBatchesAsync(missing, ConfirmAsync);
        }

        return puts.ConvertAll(put => put.Reference ?? throw new InvalidOperationException("A blob that is not missing has a reference."));
    }

    /// <returns>Those that are still missing.</returns>
    private static async Task<List<Put>> InBatchesAsync(List<Put> puts, Func<Put[], Task> act)
    {
        foreach (var batch in puts.Chunk(ScriptBatch))
        {
            await act(batch);
        }

        return puts.FindAll(put => put.Reference is null);
    }

    private async Task LookAsync(Put[] puts, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        RedisValue[] arguments =
        [
            context.Now, Options.MaxBytes ?? 0, .. puts.SelectMany(put => (RedisValue[])[put.Blob.Address.ToString(), put.Blob.Content.Length]),
        ];
        var answer = (await context.RunAsync(context.Bulk, $"look for {puts.Length} blobs", RedisScript.BlobLook, arguments)).Parts();
        context.Learn(answer[2]);
        var answers = answer[1].Parts();
        for (var i = 0; i < puts.Length; i++)
        {
            if ((RedisResult[]?)answers[i] is [var head, var found])
            {
                await ShareAsync(puts[i], head.Bytes(), (long)found);
            }
        }

        if ((long)answer[0] == -2)
        {
            throw Full(puts.Sum(put => put.Blob.Content.Length));
        }
    }

    /// <summary>Takes what is there, or puts it aside when it is damaged.</summary>
    private async Task ShareAsync(Put put, byte[] head, long found)
    {
        var blob = put.Blob;
        if (Inspect(blob.Address, head, found, out var value) is { } fault)
        {
            await context.PutBlobAsideAsync(blob.Address, found < 0 ? null : head, fault);
            return;
        }

        var stored = value.Header.ToReference();
        if (stored.Length != blob.Content.Length || stored.Kind != blob.Kind || stored.DType != blob.DType)
        {
            throw new BlobConflictException(
                $"Blob '{context.Keys.Blob(blob.Address)}' is {stored.Kind} of {stored.Length} bytes in {stored.DType}; "
                + $"{blob.Kind} of {blob.Content.Length} bytes in {blob.DType} was to be put there. Two writers disagree on the layout.");
        }

        put.Reference = stored;
        context.Counters.Add(value.Write == put.Value?.Write ? StoreCount.BlobsWritten : StoreCount.BlobsShared);
    }

    private Task WriteAsync(Put put, CancellationToken cancellationToken)
    {
        var value = BlobValue.Of(put.Blob, Options.ChunkBytes);
        put.Value = value;
        put.IsSent = false;
        return value.Chunks == 0 ? WriteWholeAsync(put, value, cancellationToken) : WritePiecesAsync(put, value, cancellationToken);
    }

    private async Task WriteWholeAsync(Put put, BlobValue value, CancellationToken cancellationToken)
    {
        var tried = put.Tried;
        put.IsSent = await room.WithinAsync(tried, BlobValue.HeadBytes + put.Blob.Content.Length, () =>
        {
            RedisKey key = context.Keys.Blob(put.Blob.Address);
            RedisValue bytes = value.ToBytes(put.Blob.Content.Span);
            return context.AskAsync(context.Bulk, tried, database => database.StringSetAsync(key, bytes, UploadTimeToLive, When.NotExists));
        }, cancellationToken);
    }

    private async Task WritePiecesAsync(Put put, BlobValue value, CancellationToken cancellationToken)
    {
        await FirstFailure.OfAllAsync(Enumerable.Range(0, value.Chunks), i => WritePieceAsync(put, value, i, cancellationToken));
        var answer = (await context.RunAsync(
            context.Bulk, put.Tried, RedisScript.BlobPut,
            put.Blob.Address.ToString(), value.ToBytes([]), value.Header.Length, context.Now, Options.MaxBytes ?? 0)).Parts();
        context.Learn(answer[1]);
        if ((long)answer[0] == 1)
        {
            put.Reference = value.Header.ToReference();
            context.Counters.Add(StoreCount.BlobsWritten);
            return;
        }

        RedisKey[] pieces = [.. Enumerable.Range(0, value.Chunks).Select(i => (RedisKey)context.Keys.Chunk(put.Blob.Address, value.Write, i))];
        await context.AskAsync(context.Bulk, $"drop the pieces of blob {put.Blob.Address}", database => database.KeyDeleteAsync(pieces));
        if ((long)answer[0] == -2)
        {
            throw Full(put.Blob.Content.Length);
        }
    }

    private Task<bool> WritePieceAsync(Put put, BlobValue value, int index, CancellationToken cancellationToken)
    {
        var (start, length) = value.ChunkAt(index);
        return room.WithinAsync(put.Tried, length, () =>
        {
            RedisKey key = context.Keys.Chunk(put.Blob.Address, value.Write, index);
            RedisValue bytes = put.Blob.Content.Slice(start, length).ToArray();
            // Only if absent: a repetition that was on its way in a connection given up may come after the piece was made to stay.
            return context.AskAsync(context.Bulk, put.Tried, database => database.StringSetAsync(key, bytes, UploadTimeToLive, When.NotExists));
        }, cancellationToken);
    }

    private async Task ConfirmAsync(Put[] puts)
    {
        var sent = Array.FindAll(puts, put => put is { Reference: null, IsSent: true });
        if (sent.Length == 0)
        {
            return;
        }

        var answer = (await context.RunAsync(
            context.Bulk, $"keep {sent.Length} blobs", RedisScript.BlobConfirm,
            [context.Now, .. sent.Select(put => (RedisValue)put.Blob.Address.ToString())])).Parts();
        context.Learn(answer[1]);
        var isThere = answer[0].Numbers();
        for (var i = 0; i < sent.Length; i++)
        {
            if (isThere[i] == 1)
            {
                sent[i].Reference = sent[i].Value?.Header.ToReference();
                context.Counters.Add(StoreCount.BlobsWritten);
            }
        }
    }

    private StoreFullException Full(long asked)
    {
        context.Counters.Add(StoreCount.FullRefusals);
        return new StoreFullException(
            $"The store in Redis at {context.Bulk.Address} is full: {context.Bytes} of {Options.MaxBytes} bytes are used and "
            + $"{asked} more were asked for. Delete sessions, shorten the time to live, or raise MaxBytes.");
    }

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

    /// <summary>A blob on its way.</summary>
    private sealed class Put(BlobContent blob)
    {
        public BlobContent Blob { get; } = blob;

        public string Tried => $"write blob {Blob.Address} of {Blob.Content.Length} bytes";

        /// <summary>As it was last sent.</summary>
        public BlobValue? Value { get; set; }

        /// <summary>It was sent whole, and nothing was in its place.</summary>
        public bool IsSent { get; set; }

        /// <summary>What is stored; null until it is.</summary>
        public BlobReference? Reference { get; set; }
    }
}
