using Loire.Contracts;
using Loire.Text;

namespace Loire.Gateway;

/// <summary>A model that the cluster serves, with what a gateway needs of its folder. Immutable and shared by all requests.</summary>
internal sealed class ServedModel
{
    private const int FingerprintLength = 12;

    public ServedModel(ModelView view, Tokenizer tokenizer, ChatFormat format, GenerationDefaults defaults)
    {
        View = view;
        Tokenizer = tokenizer;
        Format = format;
        Defaults = defaults;
        MaxPromptBytes = (long)view.ContextTokens * LongestToken(tokenizer);
        var digest = view.Digest.AsSpan(view.Digest.IndexOf(':', StringComparison.Ordinal) + 1);
        Fingerprint = $"fp_{digest[..Math.Min(FingerprintLength, digest.Length)]}";
    }

    public ModelView View { get; }
    public Tokenizer Tokenizer { get; }
    public ChatFormat Format { get; }
    public GenerationDefaults Defaults { get; }

    /// <summary>OpenAI's <c>system_fingerprint</c>: which weights answered.</summary>
    public string Fingerprint { get; }

    /// <summary>More text than this, in UTF-8, cannot fit the context however well it compresses: it is refused without being tokenised.</summary>
    public long MaxPromptBytes { get; }

    private static int LongestToken(Tokenizer tokenizer)
    {
        var longest = 1;
        for (var id = 0; id < tokenizer.VocabularySize; id++)
        {
            longest = Math.Max(longest, tokenizer.BytesOf(id).Length);
        }

        return longest;
    }
}
