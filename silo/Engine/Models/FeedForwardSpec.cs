namespace Loire.Engine.Models;

/// <summary>What a layer does to each token alone.</summary>
public abstract record FeedForwardSpec;

/// <summary><c>W_down(silu(W_gate y) ⊙ W_up y)</c></summary>
public sealed record DenseSpec : FeedForwardSpec
{
    public required int Width { get; init; }

    public required GatedTensors Tensors { get; init; }
}

/// <summary>
/// Mixture of experts: <c>p = softmax(W_router y)</c> over all experts in fp32, the best <see cref="TopK"/> of them,
/// their weights divided by their sum; <c>Σ w_e · W_down(silu(W_gate y) ⊙ W_up y)</c>.
/// </summary>
public sealed record MoeSpec : FeedForwardSpec
{
    public required int Experts { get; init; }

    public required int TopK { get; init; }

    /// <summary>Of one expert.</summary>
    public required int Width { get; init; }

    /// <summary><c>[experts, hidden]</c></summary>
    public required string Router { get; init; }

    public required ExpertNaming ExpertNames { get; init; }

    public SharedExpertSpec? Shared { get; init; }

    public GatedTensors Expert(int expert) => ExpertNames.Of(expert);
}

/// <summary>An expert that sees every token: <c>out = (1 − c) · moe + c · shared</c>.</summary>
public sealed record SharedExpertSpec
{
    public required int Width { get; init; }

    public required GatedTensors Tensors { get; init; }

    /// <summary><c>[1, hidden]</c>; <c>c = σ(W y)</c> in fp32, or 1 with <see cref="SharedExpertMode.Softmax"/>.</summary>
    public required string Coefficient { get; init; }

    public required SharedExpertMode Mode { get; init; }
}

public enum SharedExpertMode
{
    /// <summary><c>c = σ(W y)</c></summary>
    Sigmoid,

    /// <summary>A softmax over one logit: <c>c = 1</c>, so that only the shared expert is heard.</summary>
    Softmax,
}

/// <summary>Names of the three matrices of a gated feed-forward.</summary>
/// <param name="Gate"><c>[width, hidden]</c>, under the silu.</param>
/// <param name="Up"><c>[width, hidden]</c></param>
/// <param name="Down"><c>[hidden, width]</c></param>
public readonly record struct GatedTensors(string Gate, string Up, string Down);

/// <summary>How a family names its experts' matrices: <c>Prefix + expert + suffix</c>.</summary>
public readonly record struct ExpertNaming(string Prefix, string Gate, string Up, string Down)
{
    public GatedTensors Of(int expert) => new($"{Prefix}{expert}{Gate}", $"{Prefix}{expert}{Up}", $"{Prefix}{expert}{Down}");
}
