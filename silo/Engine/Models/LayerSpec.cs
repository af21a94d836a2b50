namespace Loire.Engine.Models;

/// <summary>One layer: a mixer over the sequence, then a feed-forward over each token, each behind a norm.</summary>
public sealed record LayerSpec
{
    /// <summary>Absolute, from 0.</summary>
    public required int Index { get; init; }

    public required MixerSpec Mixer { get; init; }

    public required FeedForwardSpec FeedForward { get; init; }

    public required NormSpec MixerNorm { get; init; }

    public required NormSpec FeedForwardNorm { get; init; }

    public required ResidualSpec MixerResidual { get; init; }

    public required ResidualSpec FeedForwardResidual { get; init; }
}

/// <summary>Root-mean-square norm: <c>y = w · x / √(mean(x²) + ε)</c>.</summary>
/// <param name="Tensor">Name of <c>w</c>.</param>
/// <param name="Epsilon">Inside the root.</param>
public readonly record struct NormSpec(string Tensor, float Epsilon);

/// <summary>How a sub-layer's output joins the stream: <c>h ← Alpha · (PostNorm ? norm(h) : h) + Beta · f(norm(h))</c>.</summary>
/// <param name="PostNorm">The skip path carries the normalised stream.</param>
/// <param name="Alpha">Factor of the skip path.</param>
/// <param name="Beta">Factor of the sub-layer.</param>
public readonly record struct ResidualSpec(bool PostNorm, float Alpha, float Beta);
