namespace Loire.Silo.Replicas;

/// <summary>Cuts the blobs of a state into batches, which bounds the memory of one read or write.</summary>
internal static class BlobBatches
{
    private const int BatchBytes = 1 << 20;

    /// <summary>In order; each batch has at most 1 MiB, or one blob that is larger.</summary>
    public static IEnumerable<List<T>> Cut<T>(IEnumerable<T> blobs, Func<T, long> bytesOf)
    {
        var batch = new List<T>();
        var total = 0L;
        foreach (var blob in blobs)
        {
            var bytes = bytesOf(blob);
            if (batch.Count > 0 && total + bytes > BatchBytes)
            {
                yield return batch;
                (batch, total) = ([], 0);
            }

            batch.Add(blob);
            total += bytes;
        }

        if (batch.Count > 0)
        {
            yield return batch;
        }
    }
}
