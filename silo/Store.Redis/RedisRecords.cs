using StackExchange.Redis;

namespace Loire.Store.Redis;

/// <summary>Records as values: the same guarded JSON as in a file, below a bound that is said aloud.</summary>
internal static class RedisRecords
{
    /// <summary>Most bytes of a record: what one value may have.</summary>
    public const int MostBytes = RedisStoreOptions.MostValueBytes;

    /// <exception cref="RecordTooLargeException">Says what it is and how large.</exception>
    public static RedisValue Pack<T>(RecordFormat<T> format, byte[] body, string what) where T : class
    {
        byte[] bytes = [.. format.Head(body), .. body];
        return bytes.Length <= MostBytes
            ? bytes
            : throw new RecordTooLargeException(
                $"{what} has {bytes.Length} bytes as a record; this store takes at most {MostBytes}. "
                + "Split the prompt over several turns, or use pages of more tokens.");
    }

    /// <returns>Null when there is none.</returns>
    /// <exception cref="DamagedRecordException">Names the key and the field.</exception>
    public static T? TryUnpack<T>(RecordFormat<T> format, byte[]? bytes, string path, out byte[] body) where T : class
    {
        body = [];
        return bytes is null ? null : format.Read(bytes, path, out body);
    }

    public static DamagedRecordException Foreign(string path, Exception failure) => new(path, "key", "a value of another type is in its place", failure);

    /// <summary>An optional digest as the scripts take it.</summary>
    public static RedisValue Or(this Digest? digest) => digest?.ToString() ?? "";
}
