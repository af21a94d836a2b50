using System.Collections.Immutable;
using System.Runtime.InteropServices;
using System.Text;
using Loire.Contracts;

namespace Loire.Gateway;

/// <summary>Text or token ids as they are, without a chat template. Text may name special tokens.</summary>
internal sealed class CompletionPrompt(CompletionRequest request) : IPrompt
{
    public string Field => "prompt";

    public bool IsCompletion => true;

    public PromptTokens Encode(ServedModel model, SessionHistory? history)
    {
        var tokens = request.Text is { } text ? Tokens(model, text) : Checked(model, request.Tokens);
        var shown = new TranscriptMessage("user", request.Text ?? model.Tokenizer.Decode(tokens.AsSpan()));
        return new PromptTokens(history?.Tokens.Length ?? 0, tokens, history?.Messages.Length ?? 0, [shown]);
    }

    private ImmutableArray<int> Tokens(ServedModel model, string text)
    {
        if (Encoding.UTF8.GetByteCount(text) is var bytes && bytes > model.MaxPromptBytes)
        {
            throw new ClusterException(FailureCode.ContextTooLong, $"The prompt holds {bytes:N0} bytes of text: more than the {model.View.ContextTokens:N0} tokens of {model.View.Id} can be.", Field);
        }

        return ImmutableCollectionsMarshal.AsImmutableArray(model.Tokenizer.Encode(text));
    }

    private static ImmutableArray<int> Checked(ServedModel model, ImmutableArray<int> ids)
    {
        if (ids.Length >= model.View.ContextTokens)
        {
            return ids; // refused for its length, which says more
        }

        for (var index = 0; index < ids.Length; index++)
        {
            if (ids[index] >= model.View.VocabularySize)
            {
                throw new ClusterException(FailureCode.InvalidRequest, $"prompt[{index}] is {ids[index]}, but {model.View.Id} has {model.View.VocabularySize:N0} tokens, 0 to {model.View.VocabularySize - 1}.", $"prompt[{index}]");
            }
        }

        return ids;
    }
}
