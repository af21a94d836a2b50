using System.Collections.Immutable;

namespace Loire.Engine.Models;

/// <summary>How a layer mixes the tokens of a sequence.</summary>
public abstract record MixerSpec;

/// <summary>
/// Lightning attention: <c>S ← e^(−s_h) S + k ⊗ v</c>, <c>o = qᵀS</c> per head (the current token undecayed, no scale, no rotation),
/// with <c>[q|k|v] = silu(W_qkv x)</c>; then <c>W_out(σ(W_gate x) ⊙ norm(concat o))</c>.
/// </summary>
public sealed record LightningSpec : MixerSpec
{
    public required int Heads { get; init; }

    public required int HeadDim { get; init; }

    /// <summary><c>s_h</c> with the layer's factor, one a head; the decay of a step is <c>e^(−s_h)</c>.</summary>
    public required ImmutableArray<float> Slopes { get; init; }

    /// <summary><c>[heads · 3 · headDim, hidden]</c>; the rows of head h are <c>q_h | k_h | v_h</c>, head after head.</summary>
    public required string QkvProjection { get; init; }

    /// <summary><c>[heads · headDim, hidden]</c></summary>
    public required string OutputGate { get; init; }

    /// <summary>Name of the norm over all heads together, <c>[heads · headDim]</c>.</summary>
    public required string Norm { get; init; }

    public required float NormEpsilon { get; init; }

    /// <summary><c>[hidden, heads · headDim]</c></summary>
    public required string OutputProjection { get; init; }
}

/// <summary>Causal softmax attention, grouped queries, scale <c>headDim^−½</c>, rotary positions on the first <see cref="RotaryDim"/> channels (pairs i, i + R/2).</summary>
public sealed record SoftmaxSpec : MixerSpec
{
    public required int Heads { get; init; }

    /// <summary>Divides <see cref="Heads"/>.</summary>
    public required int KeyValueHeads { get; init; }

    public required int HeadDim { get; init; }

    /// <summary>Even, at most <see cref="HeadDim"/>.</summary>
    public required int RotaryDim { get; init; }

    public required double RopeTheta { get; init; }

    /// <summary><c>[heads · headDim, hidden]</c></summary>
    public required string Query { get; init; }

    /// <summary><c>[keyValueHeads · headDim, hidden]</c></summary>
    public required string Key { get; init; }

    /// <summary><c>[keyValueHeads · headDim, hidden]</c></summary>
    public required string Value { get; init; }

    /// <summary><c>[hidden, heads · headDim]</c></summary>
    public required string Output { get; init; }
}
