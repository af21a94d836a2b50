using System.Collections.Immutable;
using System.Text;
using System.Text.Json;
using Loire.Contracts;

namespace Loire.Gateway;

/// <summary>The older endpoint's way to write a turn: text, with log-probabilities in parallel arrays.</summary>
internal sealed class CompletionAnswer(OpenTurn turn, long created, bool includeUsage) : AnswerShape(turn, "cmpl-", created, includeUsage)
{
    private static readonly JsonEncodedText TextCompletion = Encode("text_completion");

    private int _textOffset;

    public override bool HasOpening => false;

    protected override JsonEncodedText ChunkObject => TextCompletion;

    protected override JsonEncodedText WholeObject => TextCompletion;

    protected override void WriteOpeningChoice(Utf8JsonWriter json) => WriteChoice(json, "", []);

    protected override void WriteChoice(Utf8JsonWriter json, string text, ImmutableArray<TokenLogProb> logProbs) => Write(json, text, logProbs, null);

    protected override void WriteFinishChoice(Utf8JsonWriter json, JsonEncodedText reason) => Write(json, "", [], reason);

    protected override void WriteWholeChoice(Utf8JsonWriter json, WholeAnswer answer) => Write(json, answer.Text, answer.LogProbs, ReasonOf(answer.Finish));

    private void Write(Utf8JsonWriter json, string text, ImmutableArray<TokenLogProb> logProbs, JsonEncodedText? reason)
    {
        json.WriteStartObject();
        json.WriteNumber(Names.Index, 0);
        json.WriteString(Names.Text, text);
        WriteLogProbs(json, logProbs);
        if (reason is { } ended)
        {
            json.WriteString(Names.FinishReason, ended);
        }
        else
        {
            json.WriteNull(Names.FinishReason);
        }

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
        json.WriteStartArray("tokens");
        foreach (var token in logProbs)
        {
            json.WriteStringValue(TextOf(token.Token));
        }

        json.WriteEndArray();
        json.WriteStartArray("token_logprobs");
        foreach (var token in logProbs)
        {
            json.WriteNumberValue(LogProbs.Finite(token.LogProb));
        }

        json.WriteEndArray();
        WriteTop(json, logProbs);
        json.WriteStartArray("text_offset");
        foreach (var token in logProbs)
        {
            json.WriteNumberValue(_textOffset);
            _textOffset += TextOf(token.Token).Length;
        }

        json.WriteEndArray();
        json.WriteEndObject();
    }

    private void WriteTop(Utf8JsonWriter json, ImmutableArray<TokenLogProb> logProbs)
    {
        json.WriteStartArray("top_logprobs");
        foreach (var token in logProbs)
        {
            json.WriteStartObject();
            foreach (var alternative in token.Top.DistinctBy(alternative => TextOf(alternative.Token)))
            {
                json.WriteNumber(TextOf(alternative.Token), LogProbs.Finite(alternative.LogProb));
            }

            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    private string TextOf(int token) => Encoding.UTF8.GetString(Tokenizer.BytesOf(token));
}
