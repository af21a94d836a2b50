using System.Text.Json;
using Loire.Contracts;

namespace Loire.Gateway;

/// <summary>Sessions as the API shows them.</summary>
internal static class SessionJson
{
    public static void WritePage(Utf8JsonWriter json, SessionPage page)
    {
        json.WriteStartObject();
        json.WriteString("object", "list");
        json.WriteStartArray("data");
        foreach (var session in page.Sessions)
        {
            Write(json, session, withHistory: false);
        }

        json.WriteEndArray();
        json.WriteBoolean("has_more", page.Next is not null);
        json.WriteString("next", page.Next);
        json.WriteEndObject();
    }

    public static void WriteWhole(Utf8JsonWriter json, SessionView session) => Write(json, session, withHistory: true);

    private static void Write(Utf8JsonWriter json, SessionView session, bool withHistory)
    {
        json.WriteStartObject();
        json.WriteString("id", session.Id);
        json.WriteString("object", "session");
        json.WriteString("model", session.Model);
        json.WriteNumber("epoch", session.Epoch);
        json.WriteString("head", session.Head);
        json.WriteNumber("turn_count", session.Turns);
        json.WriteNumber("tokens", session.Tokens);
        json.WriteNumber("checkpoint_tokens", session.CheckpointTokens);
        json.WriteNumber("state_bytes", session.StateBytes);
        json.WriteBoolean("resident", session.Resident);
        json.WriteString("running_turn", session.RunningTurn);
        json.WriteString("forked_from", session.ForkedFrom);
        json.WriteNumber("created_at", session.CreatedAt.ToUnixTimeSeconds());
        json.WriteNumber("updated_at", session.UpdatedAt.ToUnixTimeSeconds());
        if (withHistory)
        {
            WriteTurns(json, session);
        }

        json.WriteEndObject();
    }

    private static void WriteTurns(Utf8JsonWriter json, SessionView session)
    {
        json.WriteStartArray("turns");
        foreach (var turn in session.History)
        {
            json.WriteStartObject();
            json.WriteString("id", turn.Id);
            json.WriteString("turn_id", turn.TurnId);
            json.WriteNumber("total_tokens", turn.TotalTokens);
            json.WriteNumber("generated_tokens", turn.GeneratedTokens);
            json.WriteString("finish_reason", turn.FinishReason);
            json.WriteNumber("at", turn.At.ToUnixTimeSeconds());
            json.WriteStartArray("messages");
            foreach (var message in turn.Messages)
            {
                WriteMessage(json, message);
            }

            json.WriteEndArray();
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    private static void WriteMessage(Utf8JsonWriter json, TranscriptMessage message)
    {
        json.WriteStartObject();
        json.WriteString("role", message.Role);
        json.WriteString("content", message.Content);
        if (message.Name is not null)
        {
            json.WriteString("name", message.Name);
        }

        if (message.ToolCalls is not null)
        {
            json.WritePropertyName("tool_calls");
            json.WriteRawValue(message.ToolCalls);
        }

        if (message.ToolCallId is not null)
        {
            json.WriteString("tool_call_id", message.ToolCallId);
        }

        json.WriteEndObject();
    }
}
