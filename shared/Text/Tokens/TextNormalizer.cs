namespace Loire.Text;

/// <summary>Changes text before it is cut into words.</summary>
/// <param name="apply">From text to text.</param>
/// <param name="isIdempotent">Twice is the same as once, and decoding gives back what was encoded.</param>
internal sealed class TextNormalizer(Func<string, string> apply, bool isIdempotent)
{
    public bool IsIdempotent => isIdempotent;

    public string Apply(string text) => apply(text);

    public static TextNormalizer? Read(FileNode node)
    {
        if (node.IsNull)
        {
            return null;
        }

        var type = node["type"];
        return type.Text() switch
        {
            "Sequence" => Chain([.. node["normalizers"].Items().Select(Read).OfType<TextNormalizer>()]),
            "NFC" => Form(compose: true, compatibility: false),
            "NFD" => Form(compose: false, compatibility: false),
            "NFKC" => Form(compose: true, compatibility: true),
            "NFKD" => Form(compose: false, compatibility: true),
            "Lowercase" => new(text => text.ToLowerInvariant(), isIdempotent: true),
            "Prepend" => Prepend(node["prepend"].Text()),
            "Replace" => Replace(node),
            _ => throw type.Unsupported("Sequence, NFC, NFD, NFKC, NFKD, Lowercase, Prepend, Replace"),
        };
    }

    /// <summary>The plain string of a <c>{"String": ...}</c> pattern; patterns by regex are only for splitting.</summary>
    public static string PlainPattern(FileNode node)
    {
        var pattern = node["pattern"];
        var plain = pattern["String"];
        return plain.IsString && plain.Text().Length > 0 ? plain.Text() : throw pattern.Wrong("no plain String", "{\"String\": \"...\"} with at least one character");
    }

    private static TextNormalizer Form(bool compose, bool compatibility) =>
        new(text => UnicodeForms.Normalize(text, compose, compatibility), isIdempotent: true);

    private static TextNormalizer Prepend(string prefix) =>
        new(text => text.Length == 0 ? text : prefix + text, isIdempotent: false);

    private static TextNormalizer Replace(FileNode node)
    {
        var pattern = PlainPattern(node);
        var content = node["content"].Text();
        return new(text => text.Replace(pattern, content, StringComparison.Ordinal), isIdempotent: false);
    }

    private static TextNormalizer Chain(TextNormalizer[] steps) =>
        new(text => steps.Aggregate(text, (value, step) => step.Apply(value)), steps.All(step => step.IsIdempotent));
}
