namespace Loire.Store;

/// <summary>Manifests on disk, and the marks by which the longest stored prefix is found.</summary>
/// <remarks>
/// A mark at a page end says that some checkpoint ends within the page after it. A lookup goes from the longest page end down, and
/// tries the few token counts of a marked page only: its cost is one look-up a page, and no list of checkpoints is held in memory.
/// A mark without a checkpoint costs those few tries; a checkpoint without a mark cannot be, since the mark is made first.
/// </remarks>
internal sealed class CheckpointFiles(StoreFiles files, BlobFiles blobs)
{
    /// <exception cref="MissingStateException">A listed blob is not stored.</exception>
    public void Put(CheckpointManifest manifest)
    {
        if (manifest.Fault() is { } fault)
        {
            throw new ArgumentException($"The checkpoint after {manifest.TokenCount} tokens cannot be stored: {fault}.");
        }

        var body = StoreJson.Serialize(manifest);
        using var pass = files.Gate.Enter();
        foreach (var blob in manifest.Blobs)
        {
            if (!blobs.Exists(blob.Address))
            {
                throw new MissingStateException(
                    $"The checkpoint after {manifest.TokenCount} tokens lists blob {blob.Kind} of layer {blob.Layer}, page {blob.Page} "
                    + $"at {blob.Address}, which is not stored. Put it again, then the checkpoint.",
                    blob.Address);
            }
        }

        files.Gate.Note(checkpoint: manifest.Address);
        files.Mark(files.Paths.Prefix(manifest.LastPageEnd));
        files.Write(
            files.Paths.Checkpoint(manifest.Address), RecordFormats.Checkpoints.Head(body), body, StoreCount.Checkpoints, files.Options.SyncState);
    }

    /// <exception cref="DamagedRecordException">It has been put aside.</exception>
    public CheckpointManifest? Get(Digest address)
    {
        var path = files.Paths.Checkpoint(address);
        using var pass = files.Gate.Enter();
        try
        {
            var manifest = Load(path, address);
            if (manifest is not null)
            {
                files.Touch(path);
                files.Gate.Note(checkpoint: address);
            }

            return manifest;
        }
        catch (DamagedRecordException damaged)
        {
            files.PutAside(path, StoreCount.Checkpoints, $"{damaged.Field}: {damaged.Message}");
            throw;
        }
    }

    public void Discard(Digest address)
    {
        using var pass = files.Gate.Enter();
        files.Delete(files.Paths.Checkpoint(address), StoreCount.Checkpoints);
    }

    public CheckpointManifest? FindLongestPrefix(PrefixDigests prefix, int maxTokens, CancellationToken cancellationToken)
    {
        var most = Math.Min(maxTokens, prefix.TokenCount);
        for (var page = most / prefix.PageTokens; most > 0 && page >= 0; page--)
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (File.Exists(files.Paths.Prefix(prefix.AtPageEnd(page))) && FindInPage(prefix, page, most) is { } found)
            {
                files.Counters.Add(StoreCount.PrefixHits);
                return found;
            }
        }

        files.Counters.Add(StoreCount.PrefixMisses);
        return null;
    }

    /// <summary>Reads a manifest without touching it.</summary>
    public static CheckpointManifest? Load(string path, Digest address)
    {
        var manifest = RecordFormats.Checkpoints.TryRead(path, out _);
        return manifest is null || manifest.Address == address
            ? manifest
            : throw new DamagedRecordException(path, "tokenDigest", $"{manifest.TokenDigest} belongs to checkpoint {manifest.Address}");
    }

    private CheckpointManifest? FindInPage(PrefixDigests prefix, int page, int most)
    {
        var first = Math.Max(1, page * prefix.PageTokens);
        for (var tokens = Math.Min(most, ((page + 1) * prefix.PageTokens) - 1); tokens >= first; tokens--)
        {
            var address = prefix.CheckpointAddress(tokens);
            if (!File.Exists(files.Paths.Checkpoint(address)))
            {
                continue;
            }

            try
            {
                if (Get(address) is { } manifest && manifest.TokenCount == tokens)
                {
                    return manifest;
                }
            }
            catch (DamagedRecordException)
            {
                // Counted, logged and put aside by Get: a shorter one may be sound.
            }
        }

        return null;
    }
}
