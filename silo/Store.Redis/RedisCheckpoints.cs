using System.Security.Cryptography;
using System.Text;
using StackExchange.Redis;

namespace Loire.Store.Redis;

/// <summary>Manifests in Redis, and the marks by which the longest stored prefix is found.</summary>
/// <remarks>
/// A mark at a page end says that some checkpoint ends within the page after it. A lookup asks for many page ends at once, the
/// longest first, and tries the token counts of a marked page only.
/// </remarks>
internal sealed class RedisCheckpoints(RedisContext context)
{
    /// <summary>Page ends, or token counts, asked for at once.</summary>
    private const int FindBatch = 512;

    /// <exception cref="MissingStateException">A listed blob is not stored.</exception>
    public async Task PutAsync(CheckpointManifest manifest)
    {
        if (manifest.Fault() is { } fault)
        {
            throw new ArgumentException($"The checkpoint after {manifest.TokenCount} tokens cannot be stored: {fault}.");
        }

        var what = $"The checkpoint after {manifest.TokenCount} tokens";
        var record = RedisRecords.Pack(RecordFormats.Checkpoints, StoreJson.Serialize(manifest), what);
        RedisRecords.RequireRoom((long)manifest.Blobs.Count * Digest.ByteCount * 2, what);
        var addresses = new StringBuilder(manifest.Blobs.Count * Digest.ByteCount * 2);
        foreach (var blob in manifest.Blobs)
        {
            addresses.Append(blob.Address);
        }

        var answer = (await context.RunAsync(
            $"store checkpoint {manifest.Address}", RedisScript.CheckpointPut,
            manifest.Address.ToString(), record, manifest.LastPageEnd.ToString(), context.Now, addresses.ToString())).Parts();
        context.Learn(answer[1]);
        if ((int)answer[0] is var missing and >= 0)
        {
            var blob = manifest.Blobs[missing];
            throw new MissingStateException(
                $"{what} lists blob {blob.Kind} of layer {blob.Layer}, page {blob.Page} at {blob.Address}, which is not stored. "
                + "Put it again, then the checkpoint.",
                blob.Address);
        }
    }

    /// <exception cref="DamagedRecordException">It has been put aside.</exception>
    public async Task<CheckpointManifest?> GetAsync(Digest address)
    {
        var path = context.Keys.Checkpoint(address);
        byte[]? bytes;
        try
        {
            bytes = (byte[]?)await context.RunAsync($"read checkpoint {address}", RedisScript.CheckpointGet, address.ToString(), context.Now);
        }
        catch (RedisServerException failure)
        {
            await context.PutAsideAsync("m", RedisKeys.Checkpoints, address, seen: "", failure.Message);
            throw RedisRecords.Foreign(path, failure);
        }

        try
        {
            var manifest = RedisRecords.TryUnpack(RecordFormats.Checkpoints, bytes, path, out _);
            return manifest is null || manifest.Address == address
                ? manifest
                : throw new DamagedRecordException(path, "tokenDigest", $"{manifest.TokenDigest} belongs to checkpoint {manifest.Address}");
        }
        catch (DamagedRecordException damaged)
        {
            await context.PutAsideAsync("m", RedisKeys.Checkpoints, address, FingerprintOf(bytes ?? []), $"{damaged.Field}: {damaged.Message}");
            throw;
        }
    }

    public async Task DiscardAsync(Digest address) =>
        context.Learn(await context.RunAsync($"forget checkpoint {address}", RedisScript.CheckpointDiscard, address.ToString()));

    public async Task<CheckpointManifest?> FindLongestPrefixAsync(PrefixDigests prefix, int maxTokens, CancellationToken cancellationToken)
    {
        var most = Math.Min(maxTokens, prefix.TokenCount);
        for (var page = most / prefix.PageTokens; most > 0 && page >= 0; page -= FindBatch)
        {
            cancellationToken.ThrowIfCancellationRequested();
            var last = page;
            var count = Math.Min(FindBatch, page + 1);
            var marked = await AreKnownAsync(RedisKeys.Marks, count, i => prefix.AtPageEnd(last - i));
            for (var i = 0; i < count; i++)
            {
                if (marked[i] && await FindInPageAsync(prefix, page - i, most) is { } found)
                {
                    context.Counters.Add(StoreCount.PrefixHits);
                    return found;
                }
            }
        }

        context.Counters.Add(StoreCount.PrefixMisses);
        return null;
    }

    private async Task<CheckpointManifest?> FindInPageAsync(PrefixDigests prefix, int page, int most)
    {
        var first = Math.Max(1, page * prefix.PageTokens);
        for (var last = Math.Min(most, ((page + 1) * prefix.PageTokens) - 1); last >= first; last -= FindBatch)
        {
            var from = last;
            var count = Math.Min(FindBatch, last - first + 1);
            var known = await AreKnownAsync(RedisKeys.Checkpoints, count, i => prefix.CheckpointAddress(from - i));
            for (var i = 0; i < count; i++)
            {
                if (known[i] && await TryGetAsync(prefix.CheckpointAddress(last - i), last - i) is { } manifest)
                {
                    return manifest;
                }
            }
        }

        return null;
    }

    private async Task<CheckpointManifest?> TryGetAsync(Digest address, int tokens)
    {
        try
        {
            return await GetAsync(address) is { } manifest && manifest.TokenCount == tokens ? manifest : null;
        }
        catch (DamagedRecordException)
        {
            return null; // Counted, logged and put aside by GetAsync: a shorter one may be sound.
        }
    }

    private async Task<bool[]> AreKnownAsync(string index, int count, Func<int, Digest> address)
    {
        var arguments = new RedisValue[count + 1];
        arguments[0] = index;
        for (var i = 0; i < count; i++)
        {
            arguments[i + 1] = address(i).ToString();
        }

        var answers = (await context.RunAsync("look for a stored prefix", RedisScript.Find, arguments)).Numbers();
        return Array.ConvertAll(answers, answer => answer == 1);
    }

    private static string FingerprintOf(byte[] record)
    {
#pragma warning disable CA5350 // The digest that Lua has in Redis; against coincidence only.
        return Convert.ToHexStringLower(SHA1.HashData(record));
#pragma warning restore CA5350
    }
}
