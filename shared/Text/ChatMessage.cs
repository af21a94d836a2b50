using System.Text.Json;

namespace Loire.Text;

/// <summary>One message as chat templates read it: <c>message.role</c>, <c>message.content</c> and what is set of the rest.</summary>
public sealed record ChatMessage(string Role, string Content)
{
    public string? Name { get; init; }

    /// <summary>An array in OpenAI's shape, seen by the template as <c>message.tool_calls</c>.</summary>
    public JsonElement? ToolCalls { get; init; }

    public string? ToolCallId { get; init; }

    /// <summary>What the assistant thought before it answered, seen as <c>message.reasoning_content</c>.</summary>
    public string? ReasoningContent { get; init; }
}
