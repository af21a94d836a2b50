using System.Collections.Immutable;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;
using Loire.Contracts;
using Loire.Text;

namespace Loire.Gateway;

/// <summary>Messages written with the model's chat template.</summary>
internal sealed class ChatPrompt(ImmutableArray<TranscriptMessage> messages, JsonElement? tools) : IPrompt
{
    public string Field => "messages";

    public bool IsCompletion => false;

    /// <summary>
    /// On top of a history only the continuation is encoded, so that a turn costs what it adds. A template that
    /// rewrites what it has already written (it may drop old reasoning) leaves the common beginning.
    /// </summary>
    public PromptTokens Encode(ServedModel model, SessionHistory? history)
    {
        RefuseTooLong(model);
        try
        {
            return Written(model, history);
        }
        catch (TemplateException refusal)
        {
            var reason = refusal.RaisedByTemplate ? refusal.Reason : refusal.Message;
            throw new ClusterException(FailureCode.InvalidRequest, $"The chat template of {model.View.Id} cannot write these messages: {reason}", Field, inner: refusal);
        }
    }

    private PromptTokens Written(ServedModel model, SessionHistory? history)
    {
        if (history is null)
        {
            return new PromptTokens(0, All(model, [.. messages.Select(ToChat)]), 0, messages);
        }

        RefuseSystem();
        ChatMessage[] whole = [.. history.Messages.Select(ToChat), .. messages.Select(ToChat)];
        var added = model.Format.EncodeContinuation(history.Tokens.AsSpan(), whole, addGenerationPrompt: true, model.Tokenizer, tools);
        if (added is { Length: > 0 })
        {
            return new PromptTokens(history.Tokens.Length, ImmutableCollectionsMarshal.AsImmutableArray(added), history.Messages.Length, messages);
        }

        var all = All(model, whole);
        var keep = Math.Min(history.Tokens.AsSpan().CommonPrefixLength(all.AsSpan()), all.Length - 1);
        return new PromptTokens(keep, all[keep..], history.Messages.Length, messages);
    }

    private ImmutableArray<int> All(ServedModel model, ChatMessage[] whole)
    {
        var tokens = model.Format.Encode(whole, addGenerationPrompt: true, model.Tokenizer, tools);
        return tokens.Length > 0
            ? ImmutableCollectionsMarshal.AsImmutableArray(tokens)
            : throw new ClusterException(FailureCode.InvalidRequest, $"The chat template of {model.View.Id} makes no tokens of these messages.", Field);
    }

    private void RefuseTooLong(ServedModel model)
    {
        var bytes = 0L;
        foreach (var message in messages)
        {
            bytes += Encoding.UTF8.GetByteCount(message.Content);
        }

        if (bytes > model.MaxPromptBytes)
        {
            throw new ClusterException(FailureCode.ContextTooLong, $"The messages hold {bytes:N0} bytes of text: more than the {model.View.ContextTokens:N0} tokens of {model.View.Id} can be.", Field);
        }
    }

    private void RefuseSystem()
    {
        for (var index = 0; index < messages.Length; index++)
        {
            if (messages[index].Role is "system" or "developer")
            {
                throw new ClusterException(
                    FailureCode.InvalidRequest,
                    $"messages[{index}].role is '{messages[index].Role}', but the session has begun: system messages are taken in its first turn only.",
                    $"messages[{index}].role");
            }
        }
    }

    /// <summary>Templates know the older name of the developer's role.</summary>
    private static ChatMessage ToChat(TranscriptMessage message) => new(message.Role == "developer" ? "system" : message.Role, message.Content)
    {
        Name = message.Name,
        ToolCallId = message.ToolCallId,
        ToolCalls = message.ToolCalls is { } calls ? JsonElement.Parse(calls) : null,
    };
}
