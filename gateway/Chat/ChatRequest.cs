using System.Collections.Immutable;
using System.Text.Json;
using Loire.Contracts;

namespace Loire.Gateway;

/// <summary>The body of <c>POST /v1/chat/completions</c>.</summary>
internal sealed record ChatRequest
{
    public required TurnFields Turn { get; init; }
    public required ImmutableArray<TranscriptMessage> Messages { get; init; }

    /// <summary>For the template; calls in the answer are not parsed.</summary>
    public JsonElement? Tools { get; init; }

    private const int MaxTools = 128;

    public static ChatRequest Parse(BodyObject body, string? idempotencyKey, int maxMessages)
    {
        RefuseUnsupported(body);
        return new ChatRequest
        {
            Turn = TurnFieldsParser.Parse(body, LogProbs(body), idempotencyKey),
            Messages = ChatMessageParser.Parse(body, maxMessages),
            Tools = ToolsOf(body),
        };
    }

    private static int LogProbs(BodyObject body)
    {
        var wanted = body.Flag("logprobs") ?? false;
        var alternatives = body.Integer("top_logprobs", 0, TurnFieldsParser.MaxTopLogProbs);
        if (alternatives > 0 && !wanted)
        {
            throw body.Invalid("top_logprobs", "needs logprobs to be true");
        }

        return wanted ? alternatives ?? 0 : -1;
    }

    private static JsonElement? ToolsOf(BodyObject body)
    {
        if (body.Array("tools") is not { } tools)
        {
            return null;
        }

        if (tools.GetArrayLength() > MaxTools)
        {
            throw body.Invalid("tools", $"has {tools.GetArrayLength():N0} tools; at most {MaxTools} are supported");
        }

        var index = 0;
        foreach (var tool in tools.EnumerateArray())
        {
            if (tool.ValueKind != JsonValueKind.Object)
            {
                throw body.WrongType($"tools[{index}]", "an object", tool);
            }

            index++;
        }

        return index == 0 || body.TryGet("tool_choice", out var choice) && choice.ValueEquals("none") ? null : tools.Clone();
    }

    private static void RefuseUnsupported(BodyObject body)
    {
        if (body.Object("response_format") is { } format && format.RequiredText("type") is var type and not "text")
        {
            throw format.Invalid("type", $"must be 'text'; '{BodyObject.Shorten(type)}' is not supported");
        }

        body.RefuseUnless("tool_choice", "'none' or 'auto'", static value => value.ValueKind == JsonValueKind.String && (value.ValueEquals("none") || value.ValueEquals("auto")));
    }
}
