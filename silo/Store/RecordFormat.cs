using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;

namespace Loire.Store;

/// <summary>A JSON record as it is stored: one line of text that guards it, then the record.</summary>
/// <remarks>
/// <code>loire.turn 1 4f0c…(32 hex digits: checksum of the body) 1234(bytes of the body)\n{"formatVersion":1,…}</code>
/// </remarks>
internal sealed class RecordFormat<T>(string name, JsonTypeInfo<T> json, Func<T, string?> fault) where T : class
{
    /// <summary>Far above the largest record (a turn of a million tokens), far below what would hurt to read.</summary>
    public const int MaxBytes = 64 << 20;

    private const int MaxHeadBytes = 128;
    private const int MaxBodyBytes = MaxBytes - MaxHeadBytes;

    /// <exception cref="RecordTooLargeException">It could not be read again.</exception>
    public byte[] Head(ReadOnlySpan<byte> body) => body.Length <= MaxBodyBytes
        ? Encoding.ASCII.GetBytes($"loire.{name} 1 {Checksum.Of(body)} {body.Length}\n")
        : throw new RecordTooLargeException($"A {name} of {body.Length} bytes is not stored: at most {MaxBodyBytes} are. Send less text in one turn.");

    /// <summary>The record that these bytes are, and its body.</summary>
    /// <param name="bytes">Head and body.</param>
    /// <param name="path">Where they were found, for the message.</param>
    /// <param name="body">The body, as it was written.</param>
    /// <exception cref="DamagedRecordException">Names the field.</exception>
    public T Read(byte[] bytes, string path, out byte[] body)
    {
        body = bytes[CheckHead(bytes, path)..];
        return Parse(body, path);
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
internal static class RecordFormats
{
    public static readonly RecordFormat<TurnRecord> Turns = new("turn", StoreJsonContext.Default.TurnRecord, RecordRules.Fault);

    public static readonly RecordFormat<SessionReference> Sessions = new("session", StoreJsonContext.Default.SessionReference, RecordRules.Fault);

    public static readonly RecordFormat<CheckpointManifest> Checkpoints = new("checkpoint", StoreJsonContext.Default.CheckpointManifest, RecordRules.Fault);
}
