using System.Collections.Immutable;
using System.Text.Json;

namespace Loire.Gateway;

/// <summary>The body of <c>POST /v1/completions</c>: one prompt, as text or as token ids.</summary>
internal sealed record CompletionRequest
{
    /// <summary>Most tokens of a completion when the client gives no limit: OpenAI's own default.</summary>
    public const int DefaultMaxTokens = 16;

    public required TurnFields Turn { get; init; }

    /// <summary>Null when the prompt came as <see cref="Tokens"/>.</summary>
    public string? Text { get; init; }

    public ImmutableArray<int> Tokens { get; init; } = [];

    public static CompletionRequest Parse(BodyObject body, string? idempotencyKey)
    {
        RefuseUnsupported(body);
        var turn = TurnFieldsParser.Parse(body, body.Integer("logprobs", 0, TurnFieldsParser.MaxTopLogProbs) ?? -1, idempotencyKey);
        var (text, tokens) = Prompt(body);
        return new CompletionRequest { Turn = turn with { DefaultMaxTokens = DefaultMaxTokens }, Text = text, Tokens = tokens };
    }

    private static (string? Text, ImmutableArray<int> Tokens) Prompt(BodyObject body)
    {
        if (!body.TryGet("prompt", out var prompt))
        {
            throw body.Missing("prompt", Expected);
        }

        var field = "prompt";
        if (prompt.ValueKind == JsonValueKind.Array && prompt.GetArrayLength() == 1 && prompt[0].ValueKind is JsonValueKind.String or JsonValueKind.Array)
        {
            prompt = prompt[0];
            field = "prompt[0]";
        }

        return prompt.ValueKind switch
        {
            JsonValueKind.String => prompt.ValueEquals("") ? throw body.Invalid(field, "is empty; at least one token is needed") : (prompt.GetString(), []),
            JsonValueKind.Array => (null, Ids(body, field, prompt)),
            _ => throw body.WrongType(field, Expected, prompt),
        };
    }

    private static ImmutableArray<int> Ids(BodyObject body, string field, JsonElement prompt)
    {
        if (prompt.GetArrayLength() == 0)
        {
            throw body.Invalid(field, "is empty; at least one token is needed");
        }

        var ids = ImmutableArray.CreateBuilder<int>(prompt.GetArrayLength());
        foreach (var element in prompt.EnumerateArray())
        {
            ids.Add(element.ValueKind switch
            {
                JsonValueKind.Number when element.TryGetInt32(out var id) && id >= 0 => id,
                JsonValueKind.Number => throw body.Invalid($"{field}[{ids.Count}]", $"must be a token id; it is {BodyObject.Shorten(element)}"),
                JsonValueKind.String or JsonValueKind.Array when prompt.GetArrayLength() > 1 => throw body.Invalid(field, $"has {prompt.GetArrayLength():N0} prompts; one is supported in a request"),
                _ => throw body.WrongType($"{field}[{ids.Count}]", "a token id", element),
            });
        }

        return ids.MoveToImmutable();
    }

    private static void RefuseUnsupported(BodyObject body)
    {
        body.RefuseUnless("echo", "false", static value => value.ValueKind == JsonValueKind.False);
        body.RefuseUnless("suffix", "an empty string", static value => value.ValueKind == JsonValueKind.String && value.ValueEquals(""));
        body.RefuseUnless("best_of", "1", static value => value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out var best) && best == 1);
    }

    private const string Expected = "a string or an array of token ids";
}
