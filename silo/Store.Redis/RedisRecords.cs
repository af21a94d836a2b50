using System.IO.Compression;
using StackExchange.Redis;

namespace Loire.Store.Redis;

/// <summary>Records as values: the same guarded JSON as in a file, deflated where it is long, below a bound that is said aloud.</summary>
internal static class RedisRecords
{
    /// <summary>Most bytes of a record as it is stored: what one value may have.</summary>
    public const int MostBytes = RedisStoreOptions.MostValueBytes;

    /// <summary>Longer ones are deflated: tokens and addresses as text take a third or a fourth.</summary>
    private const int PlainBytes = 1 << 20;

    private static ReadOnlySpan<byte> Deflated => "loire.deflated 1\n"u8;

    /// <exception cref="RecordTooLargeException">Says what it is and how large.</exception>
    public static RedisValue Pack<T>(RecordFormat<T> format, byte[] body, string what) where T : class
    {
        byte[] bytes = [.. format.Head(body), .. body];
        var stored = bytes.Length <= PlainBytes ? bytes : Deflate(bytes);
        RequireRoom(stored.Length, what);
        return stored;
    }

    /// <exception cref="RecordTooLargeException">It does not fit into one value.</exception>
    public static void RequireRoom(long bytes, string what)
    {
        if (bytes > MostBytes)
        {
            throw new RecordTooLargeException(
                $"{what} has {bytes} bytes as a record; this store takes at most {MostBytes}. "
                + "Split the prompt over several turns, or use pages of more tokens.");
        }
    }

    /// <returns>Null when there is none.</returns>
    /// <exception cref="DamagedRecordException">Names the key and the field.</exception>
    public static T? TryUnpack<T>(RecordFormat<T> format, byte[]? bytes, string path, out byte[] body) where T : class
    {
        body = [];
        return bytes is null ? null : format.Read(bytes.AsSpan().StartsWith(Deflated) ? Inflate(bytes, path) : bytes, path, out body);
    }

    public static DamagedRecordException Foreign(string path, Exception failure) => new(path, "key", "a value of another type is in its place", failure);

    /// <summary>An optional digest as the scripts take it.</summary>
    public static RedisValue Or(this Digest? digest) => digest?.ToString() ?? "";

    private static byte[] Deflate(byte[] bytes)
    {
        using var stored = new MemoryStream();
        stored.Write(Deflated);
        using (var deflate = new DeflateStream(stored, CompressionLevel.Fastest, leaveOpen: true))
        {
            deflate.Write(bytes);
        }

        return stored.ToArray();
    }

    /// <summary>Reads no more than a record may have, whatever the value claims to be.</summary>
    private static byte[] Inflate(byte[] bytes, string path)
    {
        try
        {
            using var inflate = new DeflateStream(new MemoryStream(bytes, Deflated.Length, bytes.Length - Deflated.Length), CompressionMode.Decompress);
            using var record = new MemoryStream();
            var buffer = new byte[1 << 16];
            for (int read; (read = inflate.Read(buffer)) > 0;)
            {
                record.Write(buffer, 0, read);
                if (record.Length > RecordFormat<TurnRecord>.MaxBytes)
                {
                    throw new DamagedRecordException(path, "length", $"more than {RecordFormat<TurnRecord>.MaxBytes} bytes inflated");
                }
            }

            return record.ToArray();
        }
        catch (InvalidDataException failure)
        {
            throw new DamagedRecordException(path, "body", "it cannot be inflated", failure);
        }
    }
}
