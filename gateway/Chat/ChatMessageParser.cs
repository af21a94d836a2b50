using System.Collections.Immutable;
using System.Text.Json;
using Loire.Contracts;

namespace Loire.Gateway;

/// <summary>Reads <c>messages</c>.</summary>
internal static class ChatMessageParser
{
    private const int MaxNameLength = 256;

    private static readonly string[] Roles = ["system", "developer", "user", "assistant", "tool"];

    public static ImmutableArray<TranscriptMessage> Parse(BodyObject body, int maxMessages)
    {
        var messages = body.Array("messages") ?? throw body.Missing("messages", "an array of messages");
        var count = messages.GetArrayLength();
        if (count == 0)
        {
            throw body.Invalid("messages", "is empty; at least one message is expected");
        }

        if (count > maxMessages)
        {
            throw body.Invalid("messages", $"has {count:N0} messages; at most {maxMessages:N0} are taken in one request");
        }

        var result = ImmutableArray.CreateBuilder<TranscriptMessage>(count);
        foreach (var message in messages.EnumerateArray())
        {
            var field = $"messages[{result.Count}]";
            result.Add(message.ValueKind == JsonValueKind.Object
                ? Message(new BodyObject(message, field))
                : throw body.WrongType(field, "an object", message));
        }

        return result.MoveToImmutable();
    }

    private static TranscriptMessage Message(BodyObject message)
    {
        var role = message.RequiredText("role");
        if (!Roles.Contains(role))
        {
            throw message.Invalid("role", $"must be one of {string.Join(", ", Roles)}; it is '{BodyObject.Shorten(role)}'");
        }

        var calls = ToolCalls(message);
        return new TranscriptMessage(role, Content(message, optional: role == "assistant" && calls is not null))
        {
            Name = ShortText(message, "name"),
            ToolCalls = calls,
            ToolCallId = ShortText(message, "tool_call_id"),
        };
    }

    private static string Content(BodyObject message, bool optional)
    {
        if (!message.TryGet("content", out var content))
        {
            return optional ? "" : throw message.Missing("content", "a string or an array of text parts");
        }

        return content.ValueKind switch
        {
            JsonValueKind.String => content.GetString()!,
            JsonValueKind.Array => Join(message, content),
            _ => throw message.WrongType("content", "a string or an array of text parts", content),
        };
    }

    /// <summary>Parts stand on lines of their own, as other servers of open models join them.</summary>
    private static string Join(BodyObject message, JsonElement parts)
    {
        var texts = new List<string>(parts.GetArrayLength());
        foreach (var element in parts.EnumerateArray())
        {
            var field = $"content[{texts.Count}]";
            if (element.ValueKind != JsonValueKind.Object)
            {
                throw message.WrongType(field, "an object with type and text", element);
            }

            var part = new BodyObject(element, message.PathOf(field));
            texts.Add(part.RequiredText("type") is var type && type == "text"
                ? part.RequiredText("text")
                : throw part.Invalid("type", $"must be 'text': this model reads nothing else; it is '{BodyObject.Shorten(type)}'"));
        }

        return string.Join('\n', texts);
    }

    private static string? ToolCalls(BodyObject message) =>
        message.Array("tool_calls") is { } calls && calls.GetArrayLength() > 0 ? calls.GetRawText() : null;

    private static string? ShortText(BodyObject message, string field) => message.Text(field) is not { } text ? null
        : text.Length <= MaxNameLength ? text
        : throw message.Invalid(field, $"is {text.Length:N0} characters long; at most {MaxNameLength} are supported");
}
