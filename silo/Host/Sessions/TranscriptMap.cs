using System.Collections.Immutable;
using System.Text.Json;
using System.Text.Json.Serialization;
using Loire.Contracts;
using Loire.Store;

namespace Loire.Silo.Sessions;

/// <summary>Between messages of the wire and messages of the store. Both ways lose nothing.</summary>
internal static class TranscriptMap
{
    public static TurnMessage ToStored(this TranscriptMessage message) => new(
        message.Role,
        message.Content,
        message.Name,
        message.ToolCalls is null && message.ToolCallId is null
            ? null
            : JsonSerializer.Serialize(new MessageExtra(message.ToolCalls, message.ToolCallId), SessionJson.Default.MessageExtra));

    public static TranscriptMessage ToWire(this TurnMessage message)
    {
        var extra = message.Extra is { } json ? JsonSerializer.Deserialize(json, SessionJson.Default.MessageExtra) : null;
        return new TranscriptMessage(message.Role, message.Content)
        {
            Name = message.Name, ToolCalls = extra?.ToolCalls, ToolCallId = extra?.ToolCallId,
        };
    }

    public static ImmutableArray<TranscriptMessage> ToWire(this IEnumerable<TurnMessage> messages) => [.. messages.Select(ToWire)];
}

/// <summary>What a stored message has beyond role, content and name.</summary>
internal sealed record MessageExtra(string? ToolCalls, string? ToolCallId);

/// <summary>How an open turn was to be generated: what another node needs besides the prompt.</summary>
internal sealed record OpenTurnSettings(SamplingOptions Sampling, int MaxTokens, ImmutableArray<string> Stop, bool StopAtEnd, Durability Durability);

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(MessageExtra))]
[JsonSerializable(typeof(OpenTurnSettings))]
internal sealed partial class SessionJson : JsonSerializerContext;
