namespace Loire.Store;

/// <summary>Records in files of their own.</summary>
internal static class RecordFiles
{
    private const int MaxBytes = RecordFormat<TurnRecord>.MaxBytes;

    /// <returns>Null when the file is not there.</returns>
    /// <exception cref="DamagedRecordException">Names the field.</exception>
    public static T? TryRead<T>(this RecordFormat<T> format, string path, out byte[] body) where T : class
    {
        body = [];
        return TryReadBytes(path) is { } bytes ? format.Read(bytes, path, out body) : null;
    }

    private static byte[]? TryReadBytes(string path)
    {
        using var handle = StoreFiles.TryOpen(path);
        if (handle is null)
        {
            return null;
        }

        try
        {
            var length = RandomAccess.GetLength(handle);
            if (length is 0 or > MaxBytes)
            {
                throw new DamagedRecordException(path, "length", $"{length} bytes; a record has 1 to {MaxBytes}");
            }

            var bytes = new byte[length];
            var total = 0;
            while (total < bytes.Length && RandomAccess.Read(handle, bytes.AsSpan(total), total) is var read and > 0)
            {
                total += read;
            }

            return bytes[..total];
        }
        catch (IOException failure)
        {
            throw StoreFiles.Explain(failure, "read", path);
        }
    }
}
