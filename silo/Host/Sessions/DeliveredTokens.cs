using System.Collections.Immutable;
using Loire.Contracts;
using Loire.Silo.Replicas;
using Loire.Text;

namespace Loire.Silo.Sessions;

/// <summary>The tokens of a turn that its reader has, and what of the turn it does not have yet.</summary>
/// <remarks>Text comes from tokens one by one, so that it is the same wherever the stream was cut.</remarks>
internal sealed class DeliveredTokens(Tokenizer tokenizer, TurnRequest request)
{
    public int Count => request.Delivered.Length;

    /// <summary>The text that comes with them.</summary>
    public string Text => TextOf(request.Delivered.AsSpan(), out _);

    /// <summary>Why the turn is over with these tokens; null when it goes on. The rest is text that was held back.</summary>
    /// <param name="endTokens">Of the model.</param>
    /// <param name="rest">To be passed on before the end.</param>
    public FinishReason? EndOf(ImmutableArray<int> endTokens, out string rest)
    {
        rest = "";
        if (Count == 0)
        {
            return null;
        }

        _ = TextOf(request.Delivered.AsSpan(), out var text);
        FinishReason? reason =
            text.IsStopped || (request.StopAtEnd && endTokens.Contains(request.Delivered[^1])) ? FinishReason.Stop
            : Count >= request.MaxTokens ? FinishReason.Length
            : null;
        rest = reason is null ? "" : text.End();
        return reason;
    }

    /// <summary>What is missing of a whole answer.</summary>
    /// <param name="tokens">All that were generated.</param>
    /// <param name="text">All their text.</param>
    public TokenChunk RestOf(ImmutableArray<int> tokens, string text)
    {
        RequirePrefixOf(tokens.AsSpan());
        return new TokenChunk(tokens[Count..], text[Math.Min(Text.Length, text.Length)..], []);
    }

    /// <summary>What is missing of a chunk, whose tokens follow <paramref name="before"/>. Null: nothing.</summary>
    public TokenChunk? RestOf(TokenChunk chunk, ImmutableArray<int> before)
    {
        ImmutableArray<int> all = [.. before, .. chunk.Tokens];
        if (before.Length >= Count)
        {
            return chunk;
        }

        RequirePrefixOf(all.AsSpan());
        return all.Length > Count
            ? new TokenChunk(all[Count..], TextOf(all.AsSpan(), out _)[Text.Length..], chunk.LogProbs.IsEmpty ? [] : chunk.LogProbs[(Count - before.Length)..])
            : null;
    }

    /// <summary>The tokens that another reader was given beyond these, before the stream that both now read began.</summary>
    public TokenChunk? Between(TurnRequest other)
    {
        if (other.Delivered.Length <= Count)
        {
            return null;
        }

        RequirePrefixOf(other.Delivered.AsSpan());
        return new TokenChunk(other.Delivered[Count..], TextOf(other.Delivered.AsSpan(), out _)[Text.Length..], []);
    }

    private string TextOf(ReadOnlySpan<int> tokens, out TurnText text)
    {
        text = TurnText.After(tokenizer, request.Stop, tokens, out var passed);
        return passed;
    }

    /// <summary>A turn comes out the same wherever it runs. If it does not, that must not be papered over.</summary>
    private void RequirePrefixOf(ReadOnlySpan<int> tokens)
    {
        var common = tokens.CommonPrefixLength(request.Delivered.AsSpan());
        if (common < Math.Min(Count, tokens.Length))
        {
            throw new ClusterException(
                FailureCode.Internal,
                $"Turn '{request.TurnId}' came out otherwise after its silo was lost: token {common} is {tokens[common]}, and {request.Delivered[common]} was delivered.");
        }
    }
}
