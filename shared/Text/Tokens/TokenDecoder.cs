using System.Globalization;
using System.Text;

namespace Loire.Text;

/// <summary>What each token adds to the decoded text: its bytes, worked out once when the file is read.</summary>
/// <remarks>
/// All supported decoders reduce to bytes a token and characters taken off the front of the whole.
/// Invalid UTF-8 is replaced once for each ill-formed piece, in byte fallback as everywhere.
/// </remarks>
internal sealed class TokenDecoder
{
    private readonly List<Func<string, string>> _perToken = [];
    private bool _byteLevel;
    private bool _byteFallback;
    private bool _fused;

    /// <summary>Taken off the start of the decoded text, at most <see cref="LeadingCount"/> times.</summary>
    public char LeadingCharacter { get; private set; }

    public int LeadingCount { get; private set; }

    public static TokenDecoder Read(FileNode node)
    {
        if (node.IsNull)
        {
            throw node.Unsupported("ByteLevel, or a Sequence of Replace, ByteFallback, Fuse and Strip");
        }

        var decoder = new TokenDecoder();
        decoder.Add(node);
        return decoder;
    }

    public byte[] BytesOf(string token)
    {
        foreach (var step in _perToken)
        {
            token = step(token);
        }

        if (_byteFallback && token.Length == 6 && token.StartsWith("<0x", StringComparison.Ordinal) && token[5] == '>'
            && byte.TryParse(token.AsSpan(3, 2), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var value))
        {
            return [value];
        }

        return _byteLevel ? ByteAlphabet.Spell(token) : Encoding.UTF8.GetBytes(token);
    }

    private void Add(FileNode node)
    {
        var type = node["type"];
        switch (type.Text())
        {
            case "Sequence":
                foreach (var step in node["decoders"].Items())
                {
                    Add(step);
                }

                break;
            case "ByteLevel":
                _byteLevel = true;
                break;
            case "ByteFallback":
                _byteFallback = true;
                break;
            case "Fuse":
                _fused = true;
                break;
            case "Replace" when !_fused:
                var pattern = TextNormalizer.PlainPattern(node);
                var content = node["content"].Text();
                _perToken.Add(token => token.Replace(pattern, content, StringComparison.Ordinal));
                break;
            case "Strip":
                AddStrip(node);
                break;
            default:
                throw type.Unsupported("ByteLevel, ByteFallback, Fuse, Strip, Sequence, and Replace before Fuse");
        }
    }

    private void AddStrip(FileNode node)
    {
        const int most = 64;
        var content = node["content"].Text();
        var start = node["start"].Int(0, most);
        var stop = node["stop"].Int(0, most);
        if (content.Length != 1 || char.IsSurrogate(content[0]))
        {
            throw node["content"].Unsupported("one character of the basic plane");
        }

        if (!_fused)
        {
            _perToken.Add(token => Strip(token, content[0], start, stop));
            return;
        }

        // The end of a stream is not known while it runs.
        if (stop != 0 || LeadingCount != 0)
        {
            throw node["stop"].Unsupported("0, in one Strip, after Fuse");
        }

        (LeadingCharacter, LeadingCount) = (content[0], start);
    }

    private static string Strip(string token, char content, int start, int stop)
    {
        var from = 0;
        while (from < start && from < token.Length && token[from] == content)
        {
            from++;
        }

        var to = token.Length;
        while (token.Length - to < stop && to > from && token[to - 1] == content)
        {
            to--;
        }

        return token[from..to];
    }
}
