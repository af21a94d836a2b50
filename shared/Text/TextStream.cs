using System.Text;

namespace Loire.Text;

/// <summary>Turns generated ids into text as they come, never emitting half a character.</summary>
/// <remarks>
/// All pieces together are what <see cref="Tokenizer.Decode"/> makes of all ids with special tokens skipped.
/// One stream belongs to one turn and to one thread at a time.
/// </remarks>
public sealed class TextStream(Tokenizer tokenizer)
{
    private readonly Decoder _decoder = Encoding.UTF8.GetDecoder();

    /// <summary>The text that this token completes: empty for special tokens and for bytes that end inside a character.</summary>
    public string Push(int id) => tokenizer.IsSpecial(id) ? "" : Decode(tokenizer.BytesOf(id), flush: false);

    /// <summary>What is left when no token follows: a replacement character for half a character, or nothing.</summary>
    public string Flush() => Decode([], flush: true);

    private string Decode(ReadOnlySpan<byte> bytes, bool flush)
    {
        var count = _decoder.GetCharCount(bytes, flush);
        return count == 0 && bytes.IsEmpty && !flush ? "" : string.Create(count, 0, (_, _) => { });
    }
}
