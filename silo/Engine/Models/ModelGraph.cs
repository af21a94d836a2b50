using System.Collections.Immutable;

namespace Loire.Engine.Models;

/// <summary>What a model computes, independent of family, file dialect and device: embedding, layers, final norm, output.</summary>
/// <remarks>
/// <c>h = E[token]</c>; each layer in turn; <c>logits = W_out · norm(h)</c>.
/// Every figure has been checked when the graph is built, so that products of them fit the types that backends use.
/// </remarks>
public sealed record ModelGraph
{
    /// <summary>As the config file says it: <c>minimax</c>, <c>MiniMaxText01</c>, ...</summary>
    public required string ModelType { get; init; }

    public required int VocabularySize { get; init; }

    public required int HiddenSize { get; init; }

    /// <summary>Most positions a sequence may have, in tokens.</summary>
    public required int ContextLength { get; init; }

    public required ImmutableArray<LayerSpec> Layers { get; init; }

    /// <summary>Of the final norm.</summary>
    public required float NormEpsilon { get; init; }

    /// <summary>The output matrix is the embedding matrix.</summary>
    public required bool TiedEmbeddings { get; init; }

    /// <summary>Tokens that end a turn: those of the config and those of <c>generation_config.json</c>, ascending, without repeats.</summary>
    public required ImmutableArray<int> EndTokens { get; init; }

    public int? BosToken { get; init; }

    /// <summary><c>[vocabulary, hidden]</c></summary>
    public required string EmbeddingTensor { get; init; }

    /// <summary><c>[hidden]</c></summary>
    public required string FinalNormTensor { get; init; }

    /// <summary><c>[vocabulary, hidden]</c>; the embedding's name when <see cref="TiedEmbeddings"/>.</summary>
    public required string OutputTensor { get; init; }
}
