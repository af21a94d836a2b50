using System.Collections.Immutable;
using System.Text;
using System.Text.Json;
using Loire.Contracts;

namespace Loire.Gateway;

/// <summary>Chat's way to write a turn: messages, and deltas of them.</summary>
internal sealed class ChatAnswer(OpenTurn turn, long created, bool includeUsage) : AnswerShape(turn, "chatcmpl-", created, includeUsage)
{
    private static readonly JsonEncodedText Chunk = Encode("chat.completion.chunk");
    private static readonly JsonEncodedText Whole = Encode("chat.completion");

    public override bool HasOpening => true;

    protected override JsonEncodedText ChunkObject => Chunk;

    protected override JsonEncodedText WholeObject => Whole;

    protected override void WriteOpeningChoice(Utf8JsonWriter json)
    {
        json.WriteStartObject();
        json.WriteNumber(Names.Index, 0);
        json.WriteStartObject(Names.Delta);
        json.WriteString(Names.Role, Names.Assistant);
        json.WriteString(Names.Content, "");
        json.WriteEndObject();
        json.WriteNull(Names.LogProbs);
        json.WriteNull(Names.FinishReason);
        json.WriteEndObject();
    }

    protected override void WriteChoice(Utf8JsonWriter json, string text, ImmutableArray<TokenLogProb> logProbs)
    {
        json.WriteStartObject();
        json.WriteNumber(Names.Index, 0);
        json.WriteStartObject(Names.Delta);
        json.WriteString(Names.Content, text);
        json.WriteEndObject();
        WriteLogProbs(json, logProbs);
        json.WriteNull(Names.FinishReason);
        json.WriteEndObject();
    }

    protected override void WriteFinishChoice(Utf8JsonWriter json, JsonEncodedText reason)
    {
        json.WriteStartObject();
        json.WriteNumber(Names.Index, 0);
        json.WriteStartObject(Names.Delta);
        json.WriteEndObject();
        json.WriteNull(Names.LogProbs);
        json.WriteString(Names.FinishReason, reason);
        json.WriteEndObject();
    }

    protected override void WriteWholeChoice(Utf8JsonWriter json, WholeAnswer answer)
    {
        json.WriteStartObject();
        json.WriteNumber(Names.Index, 0);
        json.WriteStartObject(Names.Message);
        json.WriteString(Names.Role, Names.Assistant);
        json.WriteString(Names.Content, answer.Text);
        json.WriteNull("refusal");
        json.WriteEndObject();
        WriteLogProbs(json, answer.LogProbs);
        json.WriteString(Names.FinishReason, ReasonOf(answer.Finish));
        json.WriteEndObject();
    }

    private void WriteLogProbs(Utf8JsonWriter json, ImmutableArray<TokenLogProb> logProbs)
    {
        if (logProbs.IsEmpty)
        {
            json.WriteNull(Names.LogProbs);
            return;
        }

        json.WriteStartObject(Names.LogProbs);
        json.WriteStartArray(Names.Content);
        foreach (var token in logProbs)
        {
            json.WriteStartObject();
            WriteToken(json, token.Token, token.LogProb);
            json.WriteStartArray("top_logprobs");
            foreach (var alternative in token.Top)
            {
                json.WriteStartObject();
                WriteToken(json, alternative.Token, alternative.LogProb);
                json.WriteEndObject();
            }

            json.WriteEndArray();
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteEndObject();
    }

    /// <summary>Half a character has no text of its own, hence the bytes beside it.</summary>
    private void WriteToken(Utf8JsonWriter json, int token, float logProb)
    {
        var bytes = Tokenizer.BytesOf(token);
        json.WriteString("token", Encoding.UTF8.GetString(bytes));
        json.WriteNumber("logprob", LogProbs.Finite(logProb));
        json.WriteStartArray("bytes");
        foreach (var value in bytes)
        {
            json.WriteNumberValue(value);
        }

        json.WriteEndArray();
    }
}
