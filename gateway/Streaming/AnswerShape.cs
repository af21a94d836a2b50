using System.Collections.Immutable;
using System.Text.Json;
using Loire.Contracts;

namespace Loire.Gateway;

/// <summary>How one endpoint writes a turn: as chunks of a stream, or whole. Chat and completions differ in their choices only.</summary>
internal abstract class AnswerShape(OpenTurn turn, string idPrefix, long created, bool includeUsage)
{
    private readonly JsonEncodedText _id = Encode(idPrefix + turn.TurnId);
    private readonly JsonEncodedText _model = Encode(turn.Model.View.Id);
    private readonly JsonEncodedText _fingerprint = Encode(turn.Model.Fingerprint);

    /// <summary>Whether a stream begins with a chunk that has no text yet.</summary>
    public abstract bool HasOpening { get; }

    protected abstract JsonEncodedText ChunkObject { get; }

    protected abstract JsonEncodedText WholeObject { get; }

    public void WriteOpening(Utf8JsonWriter json)
    {
        BeginChunk(json);
        json.WriteStartArray(Names.Choices);
        WriteOpeningChoice(json);
        json.WriteEndArray();
        EndChunk(json);
    }

    public void WriteChunk(Utf8JsonWriter json, TokenChunk chunk)
    {
        BeginChunk(json);
        json.WriteStartArray(Names.Choices);
        WriteChoice(json, chunk.Text, chunk.LogProbs);
        json.WriteEndArray();
        EndChunk(json);
    }

    public void WriteFinish(Utf8JsonWriter json, TurnFinish finish)
    {
        BeginChunk(json);
        json.WriteStartArray(Names.Choices);
        WriteFinishChoice(json, ReasonOf(finish));
        json.WriteEndArray();
        LoireMember.Write(json, turn, finish);
        EndChunk(json);
    }

    /// <summary>The chunk that <c>stream_options.include_usage</c> asks for: no choices, only the count.</summary>
    public void WriteUsageChunk(Utf8JsonWriter json, TurnFinish finish)
    {
        BeginChunk(json);
        json.WriteStartArray(Names.Choices);
        json.WriteEndArray();
        WriteUsage(json, finish);
        LoireMember.Write(json, turn, finish);
        json.WriteEndObject();
    }

    public void WriteWhole(Utf8JsonWriter json, WholeAnswer answer)
    {
        Begin(json, WholeObject);
        json.WriteStartArray(Names.Choices);
        WriteWholeChoice(json, answer);
        json.WriteEndArray();
        WriteUsage(json, answer.Finish);
        LoireMember.Write(json, turn, answer.Finish);
        json.WriteEndObject();
    }

    protected Loire.Text.Tokenizer Tokenizer => turn.Model.Tokenizer;

    protected abstract void WriteOpeningChoice(Utf8JsonWriter json);

    protected abstract void WriteChoice(Utf8JsonWriter json, string text, ImmutableArray<TokenLogProb> logProbs);

    protected abstract void WriteFinishChoice(Utf8JsonWriter json, JsonEncodedText reason);

    protected abstract void WriteWholeChoice(Utf8JsonWriter json, WholeAnswer answer);

    /// <summary>A turn that was cancelled from elsewhere ends like one that ran out of room: there could have been more.</summary>
    protected static JsonEncodedText ReasonOf(TurnFinish finish) => finish.Reason == FinishReason.Stop ? Names.Stop : Names.Length;

    protected static JsonEncodedText Encode(string text) => JsonEncodedText.Encode(text, JsonAnswer.WriterOptions.Encoder);

    private void BeginChunk(Utf8JsonWriter json) => Begin(json, ChunkObject);

    private void Begin(Utf8JsonWriter json, JsonEncodedText kind)
    {
        json.WriteStartObject();
        json.WriteString(Names.Id, _id);
        json.WriteString(Names.Object, kind);
        json.WriteNumber(Names.Created, created);
        json.WriteString(Names.Model, _model);
        json.WriteString(Names.SystemFingerprint, _fingerprint);
    }

    private void EndChunk(Utf8JsonWriter json)
    {
        if (includeUsage)
        {
            json.WriteNull(Names.Usage);
        }

        json.WriteEndObject();
    }

    private static void WriteUsage(Utf8JsonWriter json, TurnFinish finish)
    {
        json.WriteStartObject(Names.Usage);
        json.WriteNumber("prompt_tokens", finish.PromptTokens);
        json.WriteNumber("completion_tokens", finish.GeneratedTokens);
        json.WriteNumber("total_tokens", finish.PromptTokens + finish.GeneratedTokens);
        json.WriteStartObject("prompt_tokens_details");
        json.WriteNumber("cached_tokens", finish.CachedTokens);
        json.WriteEndObject();
        json.WriteEndObject();
    }

    /// <summary>Names of members, escaped once.</summary>
    protected static class Names
    {
        public static readonly JsonEncodedText Id = Encode("id");
        public static readonly JsonEncodedText Object = Encode("object");
        public static readonly JsonEncodedText Created = Encode("created");
        public static readonly JsonEncodedText Model = Encode("model");
        public static readonly JsonEncodedText SystemFingerprint = Encode("system_fingerprint");
        public static readonly JsonEncodedText Choices = Encode("choices");
        public static readonly JsonEncodedText Index = Encode("index");
        public static readonly JsonEncodedText Delta = Encode("delta");
        public static readonly JsonEncodedText Message = Encode("message");
        public static readonly JsonEncodedText Role = Encode("role");
        public static readonly JsonEncodedText Assistant = Encode("assistant");
        public static readonly JsonEncodedText Content = Encode("content");
        public static readonly JsonEncodedText Text = Encode("text");
        public static readonly JsonEncodedText LogProbs = Encode("logprobs");
        public static readonly JsonEncodedText FinishReason = Encode("finish_reason");
        public static readonly JsonEncodedText Usage = Encode("usage");
        public static readonly JsonEncodedText Stop = Encode("stop");
        public static readonly JsonEncodedText Length = Encode("length");
    }
}
