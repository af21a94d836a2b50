using Loire.Contracts;
using Loire.Text;

namespace Loire.Gateway;

/// <summary>A model that the cluster serves, with what a gateway needs of its folder. Immutable and shared by all requests.</summary>
internal sealed class ServedModel
{
    private const int FingerprintLength = 12;

    private readonly ChatFormat? _format;
    private readonly string? _formatFault;

    /// <param name="view">As the cluster lists it.</param>
    /// <param name="tokenizer">Its tokenizer.</param>
    /// <param name="format">Null: it cannot chat.</param>
    /// <param name="formatFault">Why it cannot.</param>
    /// <param name="defaults">How its makers want it sampled.</param>
    public ServedModel(ModelView view, Tokenizer tokenizer, ChatFormat? format, string? formatFault, GenerationDefaults defaults)
    {
        View = view;
        Tokenizer = tokenizer;
        _format = format;
        _formatFault = formatFault;
        Defaults = defaults;
        MaxPromptBytes = (long)view.ContextTokens * LongestToken(tokenizer);
        var digest = view.Digest.AsSpan(view.Digest.IndexOf(':', StringComparison.Ordinal) + 1);
        Fingerprint = $"fp_{digest[..Math.Min(FingerprintLength, digest.Length)]}";
    }

    public ModelView View { get; }
    public Tokenizer Tokenizer { get; }

    /// <exception cref="ClusterException">The model has no chat template that can be used.</exception>
    public ChatFormat Format => _format ?? throw new ClusterException(
        FailureCode.InvalidRequest, $"Model '{View.Id}' completes but cannot chat: {_formatFault} Use /v1/completions, or mend the model's chat template and start again.", "model");

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
