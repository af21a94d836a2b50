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
    private int _leadingLeft = tokenizer.LeadingStrip.Count;

    /// <summary>The text that this token completes: empty for special tokens and for bytes that end inside a character.</summary>
    public string Push(int id) => tokenizer.IsSpecial(id) ? "" : PushAny(id);

    /// <summary>What is left when no token follows: a replacement character for half a character, or nothing.</summary>
    public string Flush() => Decode([], flush: true);

    /// <summary>As <see cref="Push"/>, with special tokens as their text.</summary>
    internal string PushAny(int id)
    {
        var bytes = tokenizer.BytesOf(id);
        return bytes.IsEmpty ? "" : Decode(bytes, flush: false);
    }

    private string Decode(ReadOnlySpan<byte> bytes, bool flush)
    {
        // A token's bytes, and at most three held back from the tokens before.
        const int stack = 256;
        var most = Encoding.UTF8.GetMaxCharCount(bytes.Length);
        var chars = most <= stack ? stackalloc char[stack] : new char[most];
        var text = chars[.._decoder.GetChars(bytes, chars, flush)];
        if (_leadingLeft > 0)
        {
            text = StripLeading(text);
        }

        return text.IsEmpty ? "" : text.ToString();
    }

    private Span<char> StripLeading(Span<char> text)
    {
        while (_leadingLeft > 0 && !text.IsEmpty)
        {
            if (text[0] != tokenizer.LeadingStrip.Character)
            {
                _leadingLeft = 0;
                break;
            }

            text = text[1..];
            _leadingLeft--;
        }

        return text;
    }
}
