using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Microsoft.Win32.SafeHandles;

namespace Loire.Store;

/// <summary>A JSON record in a file: one line of text that guards it, then the record.</summary>
/// <remarks>
/// <code>loire.turn 1 4f0c…(32 hex digits: checksum of the body) 1234(bytes of the body)\n{"formatVersion":1,…}</code>
/// </remarks>
internal sealed class RecordFile<T>(string name, JsonTypeInfo<T> json, Func<T, string?> fault) where T : class
{
    /// <summary>Far above the largest record (a turn of a million tokens), far below what would hurt to read.</summary>
    private const int MaxBytes = 64 << 20;

    private const int MaxHeadBytes = 128;

    public byte[] Head(ReadOnlySpan<byte> body) => Encoding.ASCII.GetBytes($"loire.{name} 1 {Checksum.Of(body)} {body.Length}\n");

    /// <returns>Null when the file is not there.</returns>
    /// <exception cref="DamagedRecordException">Names the field.</exception>
    public T? TryRead(string path, out byte[] body)
    {
        body = [];
        using var handle = StoreFiles.TryOpen(path);
        if (handle is null)
        {
            return null;
        }

        var bytes = ReadAll(handle, path);
        var headLength = CheckHead(bytes, path);
        body = bytes[headLength..];
        return Parse(body, path);
    }

    private static byte[] ReadAll(SafeFileHandle handle, string path)
    {
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

    private int CheckHead(byte[] bytes, string path)
    {
        var end = bytes.AsSpan(0, Math.Min(bytes.Length, MaxHeadBytes)).IndexOf((byte)'\n');
        var parts = end < 0 ? [] : Encoding.ASCII.GetString(bytes, 0, end).Split(' ');
        if (parts.Length != 4 || parts[0] != $"loire.{name}")
        {
            throw new DamagedRecordException(path, "first line", $"not that of a loire.{name}");
        }

        if (parts[1] != "1")
        {
            throw new DamagedRecordException(path, "first line", $"version {Shorten(parts[1])}; this build reads 1");
        }

        var body = bytes.AsSpan(end + 1);
        if (!int.TryParse(parts[3], NumberStyles.None, CultureInfo.InvariantCulture, out var length) || length != body.Length)
        {
            throw new DamagedRecordException(path, "length", $"{body.Length} bytes after the first line, which says {Shorten(parts[3])}");
        }

        if (!Checksum.TryParse(parts[2], out var checksum) || checksum != Checksum.Of(body))
        {
            throw new DamagedRecordException(path, "checksum", $"{Checksum.Of(body)}; the first line says {Shorten(parts[2])}");
        }

        return end + 1;
    }

    private T Parse(byte[] body, string path)
    {
        T? record;
        try
        {
            record = JsonSerializer.Deserialize(body, json);
        }
        catch (JsonException failure)
        {
            throw new DamagedRecordException(path, failure.Path ?? "$", failure.Message, failure);
        }

        if (record is null)
        {
            throw new DamagedRecordException(path, "$", "null");
        }

        return fault(record) is { } found ? throw new DamagedRecordException(path, name, found) : record;
    }

    private static string Shorten(string text) => text.Length > 40 ? text[..40] + "…" : text;
}

/// <summary>The three kinds of record.</summary>
internal static class RecordFiles
{
    public static readonly RecordFile<TurnRecord> Turns = new("turn", StoreJsonContext.Default.TurnRecord, RecordRules.Fault);

    public static readonly RecordFile<SessionReference> Sessions = new("session", StoreJsonContext.Default.SessionReference, RecordRules.Fault);

    public static readonly RecordFile<CheckpointManifest> Checkpoints = new("checkpoint", StoreJsonContext.Default.CheckpointManifest, RecordRules.Fault);
}
