using System.Text;

namespace Loire.Text;

/// <summary>Byte-pair encoding as <c>tokenizer.json</c> describes it. Immutable and safe to share between threads.</summary>
/// <remarks>
/// Encoding takes these steps: 1. cut the text at added tokens; 2. normalise what lies between; 3. cut it into words;
/// 4. merge each word's bytes. No token is added at either end: that is the chat template's business.
/// </remarks>
public sealed class Tokenizer
{
    private readonly Vocabulary _vocabulary;
    private readonly BpeModel _model;
    private readonly PreTokenizer _words;
    private readonly TextNormalizer? _normalizer;
    private readonly AddedTokens _raw;
    private readonly AddedTokens _normalized;
    private readonly bool _hasNormalizedSpecials;
    private readonly (char Character, int Count) _leadingStrip;

    internal Tokenizer(
        Vocabulary vocabulary, BpeModel model, PreTokenizer words, TextNormalizer? normalizer,
        IReadOnlyList<AddedToken> added, (char Character, int Count) leadingStrip)
    {
        _vocabulary = vocabulary;
        _model = model;
        _words = words;
        _normalizer = normalizer;
        _raw = new AddedTokens(added.Where(token => !token.Normalized).Select(token => (token.Content, token)));
        _normalized = new AddedTokens(added.Where(token => token.Normalized).Select(token => (normalizer?.Apply(token.Content) ?? token.Content, token)));
        _hasNormalizedSpecials = added.Any(token => token.Normalized && token.Special);
        _leadingStrip = leadingStrip;
    }

    /// <summary>One more than the highest id that encoding can give. A model's own vocabulary may be padded beyond it.</summary>
    public int VocabularySize => _vocabulary.Size;

    internal (char Character, int Count) LeadingStrip => _leadingStrip;

    /// <exception cref="TokenizerFormatException">The file is damaged, out of bounds, or asks for something that is not supported.</exception>
    public static Tokenizer Load(string path) => TokenizerReader.Read(path);

    /// <summary>As <see cref="Load"/>, from the bytes of a file called <paramref name="name"/>.</summary>
    public static Tokenizer Parse(ReadOnlyMemory<byte> utf8Json, string name) => TokenizerReader.Read(utf8Json, name);

    /// <param name="text">Any text; surrogates without a partner are read as U+FFFD.</param>
    /// <param name="parseSpecial">
    /// Special tokens spelled out in the text become their ids: right for text from a template, wrong for somebody's words.
    /// Added tokens that are not special are always found, as they are part of the vocabulary.
    /// </param>
    /// <exception cref="TokenizerFormatException">The file's pattern runs away on this text.</exception>
    public int[] Encode(string text, bool parseSpecial = true) => [.. EncodeToList(text, parseSpecial)];

    public int CountTokens(string text) => EncodeToList(text, parseSpecial: true).Count;

    /// <summary>Ids without a token add nothing; invalid UTF-8 becomes U+FFFD.</summary>
    public string Decode(ReadOnlySpan<int> ids, bool skipSpecial = false)
    {
        var stream = new TextStream(this);
        var text = new StringBuilder();
        foreach (var id in ids)
        {
            text.Append(skipSpecial ? stream.Push(id) : stream.PushAny(id));
        }

        return text.Append(stream.Flush()).ToString();
    }

    /// <summary>The id of a token as the vocabulary spells it (byte-level tokens in the byte alphabet).</summary>
    public int? IdOf(string token) => _vocabulary.IdOf(token);

    /// <summary>The token as the vocabulary spells it; null for an id without a token.</summary>
    public string? TokenText(int id) => _vocabulary.TextOf(id);

    /// <summary>A control token, such as an end of turn.</summary>
    public bool IsSpecial(int id) => _vocabulary.IsSpecial(id);

    /// <summary>What the token adds to decoded text; it may begin or end inside a character.</summary>
    public ReadOnlySpan<byte> BytesOf(int id) => _vocabulary.BytesOf(id);

    /// <summary>Special tokens come only from untainted characters; all else is encoded as if the text were one string.</summary>
    internal int[] Encode(string text, Taint taint)
    {
        var encoding = new Encoding(this, text);
        encoding.Add(SafeText.WellFormed(text), new SpecialRule(parse: true, taint));
        return [.. encoding.Ids];
    }

    /// <summary>Where special tokens cut a text. Null when decoded text cannot be compared with it, because the normalizer does more than fold characters.</summary>
    internal List<Segment>? CutAtSpecials(string text, Taint taint)
    {
        if (_normalizer is { IsIdempotent: false } || _leadingStrip.Count > 0 || _hasNormalizedSpecials)
        {
            return null;
        }

        text = SafeText.WellFormed(text);
        var segments = new List<Segment>();
        var done = 0;
        var searched = 0;
        var rule = new SpecialRule(parse: true, taint);
        while (_raw.TryFind(text, searched, rule, out var found))
        {
            searched = found.End;
            if (!found.Token.Special)
            {
                continue;
            }

            segments.Add(new Segment(null, Normalize(text[done..found.Start])));
            segments.Add(new Segment(found.Token.Id, ""));
            done = found.End;
        }

        segments.Add(new Segment(null, Normalize(text[done..])));
        return segments;
    }

    /// <summary>Encodes plain text between special tokens.</summary>
    internal void AppendPlain(string text, List<int> ids)
    {
        var encoding = new Encoding(this, text, ids);
        encoding.Add(text, new SpecialRule(parse: false));
    }

    private List<int> EncodeToList(string text, bool parseSpecial)
    {
        ArgumentNullException.ThrowIfNull(text);
        var encoding = new Encoding(this, text);
        encoding.Add(SafeText.WellFormed(text), new SpecialRule(parseSpecial));
        return encoding.Ids;
    }

    private string Normalize(string text) => _normalizer?.Apply(text) ?? text;

    /// <summary>One text on its way to ids.</summary>
    private sealed class Encoding(Tokenizer tokenizer, string text, List<int>? ids = null) : IWordSink
    {
        private const int CharactersPerToken = 4; // of ordinary text; only the first capacity depends on it

        public List<int> Ids { get; } = ids ?? new List<int>((text.Length / CharactersPerToken) + 1);

        public void Add(string whole, SpecialRule rule)
        {
            var done = 0;
            while (!tokenizer._raw.IsEmpty && tokenizer._raw.TryFind(whole, done, rule, out var found))
            {
                AddNormalized(whole, done, found.Start, rule);
                Ids.Add(found.Token.Id);
                done = found.End;
            }

            AddNormalized(whole, done, whole.Length, rule);
        }

        void IWordSink.Add(ReadOnlySpan<char> word) => tokenizer._model.Append(word, Ids);

        private void AddNormalized(string whole, int start, int end, SpecialRule rule)
        {
            if (start == end)
            {
                return;
            }

            var piece = whole.AsSpan(start, end - start);
            if (tokenizer._normalizer is null)
            {
                AddWords(piece, rule.From(start));
                return;
            }

            // A normalizer moves characters, so taint inside the piece taints all of it.
            AddWords(tokenizer._normalizer.Apply(piece.ToString()), rule.Whole(start, end));
        }

        private void AddWords(ReadOnlySpan<char> piece, SpecialRule rule)
        {
            var done = 0;
            while (!tokenizer._normalized.IsEmpty && tokenizer._normalized.TryFind(piece, done, rule, out var found))
            {
                tokenizer._words.Split(piece[done..found.Start], this);
                Ids.Add(found.Token.Id);
                done = found.End;
            }

            tokenizer._words.Split(piece[done..], this);
        }
    }

    /// <summary>A special token, or the text between two of them.</summary>
    internal readonly record struct Segment(int? SpecialId, string Text);
}
