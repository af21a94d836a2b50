using System.Collections.Immutable;
using System.Globalization;
using System.Text;
using System.Text.Json;
using Loire.Contracts;

namespace Loire.Gateway;

/// <summary>Reads and checks the fields that chat and completions share. Unknown fields are ignored, as OpenAI's clients expect; known ones of a wrong type are refused.</summary>
internal static class TurnFieldsParser
{
    /// <summary>Most stop strings of a request, and the longest of them in bytes: each is compared with all text as it comes.</summary>
    public const int MaxStops = 16, MaxStopBytes = 256;

    /// <summary>Most alternatives to a token that the engine reports.</summary>
    public const int MaxTopLogProbs = 20;

    private const int MaxBiases = 1024;

    /// <param name="body">The request.</param>
    /// <param name="logProbs">Read by the caller: chat and completions spell it differently.</param>
    /// <param name="idempotencyKey">The header's turn id, if it came with one.</param>
    public static TurnFields Parse(BodyObject body, int logProbs, string? idempotencyKey)
    {
        RefuseUnsupported(body);
        var (maxTokens, maxTokensField) = MaxTokens(body);
        var stream = body.Flag("stream") ?? false;
        return new TurnFields
        {
            Model = body.Text("model"),
            SessionId = SessionId(body),
            TurnId = TurnId(body, idempotencyKey),
            Sampling = Sampling(body, logProbs),
            MaxTokens = maxTokens,
            MaxTokensField = maxTokensField,
            Stop = Stop(body),
            Stream = stream,
            IncludeUsage = body.Object("stream_options")?.Flag("include_usage") ?? false,
            Durability = DurabilityOf(body),
            IgnoreEnd = body.Flag("ignore_eos") ?? false,
        };
    }

    /// <summary>Refuses a session's name that could not be a grain's key or a path of the store.</summary>
    public static string CheckedSessionId(string id, string field) => SessionKey.IsValidId(id) ? id : throw new ClusterException(
        FailureCode.InvalidRequest,
        $"{field} must be 1 to {SessionKey.MaxIdLength} letters, digits, '.', '_', ':' and '-', beginning with a letter or digit; it is '{BodyObject.Shorten(id)}'.",
        field);

    private static string? SessionId(BodyObject body) =>
        body.Text("session_id") is { } id ? CheckedSessionId(id, "session_id") : null;

    private static string? TurnId(BodyObject body, string? idempotencyKey)
    {
        var field = body.Text("turn_id");
        if (field is not null && idempotencyKey is not null && field != idempotencyKey)
        {
            throw body.Invalid("turn_id", "and the header idempotency-key name different turns; send one of them");
        }

        return field is not null ? CheckedSessionId(field, "turn_id")
            : idempotencyKey is not null ? CheckedSessionId(idempotencyKey, "idempotency-key")
            : null;
    }

    private static SamplingFields Sampling(BodyObject body, int logProbs) => new()
    {
        Temperature = body.Number("temperature", 0, 2),
        TopK = body.Integer("top_k", -1, 1_000_000),
        TopP = body.Number("top_p", 0, 1, minExcluded: true),
        MinP = body.Number("min_p", 0, 1),
        RepetitionPenalty = body.Number("repetition_penalty", 0.01, 10),
        PresencePenalty = body.Number("presence_penalty", -2, 2),
        FrequencyPenalty = body.Number("frequency_penalty", -2, 2),
        Seed = Seed(body),
        LogitBias = LogitBias(body),
        LogProbs = logProbs,
    };

    private static (int? Tokens, string Field) MaxTokens(BodyObject body)
    {
        var old = body.Integer("max_tokens", 1, int.MaxValue);
        return body.Integer("max_completion_tokens", 1, int.MaxValue) is { } tokens
            ? (tokens, "max_completion_tokens")
            : (old, "max_tokens");
    }

    private static ulong? Seed(BodyObject body)
    {
        if (!body.TryGet("seed", out var value))
        {
            return null;
        }

        if (value.ValueKind != JsonValueKind.Number)
        {
            throw body.WrongType("seed", "a whole number", value);
        }

        return value.TryGetInt64(out var signed) ? unchecked((ulong)signed)
            : value.TryGetUInt64(out var unsigned) ? unsigned
            : throw body.Invalid("seed", $"must be a whole number of 64 bits; it is {BodyObject.Shorten(value)}");
    }

    private static ImmutableArray<string> Stop(BodyObject body)
    {
        if (!body.TryGet("stop", out var value))
        {
            return [];
        }

        if (value.ValueKind == JsonValueKind.String)
        {
            return [CheckedStop(body, value, "stop")];
        }

        if (value.ValueKind != JsonValueKind.Array)
        {
            throw body.WrongType("stop", "a string or an array of strings", value);
        }

        if (value.GetArrayLength() > MaxStops)
        {
            throw body.Invalid("stop", $"has {value.GetArrayLength():N0} strings; at most {MaxStops} are supported");
        }

        return [.. value.EnumerateArray().Select((stop, index) => CheckedStop(body, stop, $"stop[{index}]"))];
    }

    private static string CheckedStop(BodyObject body, JsonElement value, string field)
    {
        var text = value.ValueKind == JsonValueKind.String ? value.GetString()! : throw body.WrongType(field, "a string", value);
        return Encoding.UTF8.GetByteCount(text) is > 0 and <= MaxStopBytes
            ? text
            : throw body.Invalid(field, $"must be 1 to {MaxStopBytes} bytes long; it is {Encoding.UTF8.GetByteCount(text):N0}");
    }

    private static ImmutableDictionary<int, float> LogitBias(BodyObject body)
    {
        if (body.Object("logit_bias") is not { } biases)
        {
            return ImmutableDictionary<int, float>.Empty;
        }

        var result = ImmutableDictionary.CreateBuilder<int, float>();
        foreach (var bias in biases.Element.EnumerateObject())
        {
            if (!int.TryParse(bias.Name, NumberStyles.None, CultureInfo.InvariantCulture, out var token))
            {
                throw body.Invalid("logit_bias", $"must have token ids as its names; '{BodyObject.Shorten(bias.Name)}' is none");
            }

            result[token] = biases.Number(bias.Name, -100, 100) ?? 0;
            if (result.Count > MaxBiases)
            {
                throw body.Invalid("logit_bias", $"has more than the {MaxBiases:N0} tokens that are supported");
            }
        }

        return result.ToImmutable();
    }

    private static Durability DurabilityOf(BodyObject body) => body.Text("durability") switch
    {
        null or "turn" => Durability.Turn,
        "async" => Durability.Async,
        var other => throw body.Invalid("durability", $"must be 'turn' or 'async'; it is '{BodyObject.Shorten(other)}'"),
    };

    private static void RefuseUnsupported(BodyObject body)
    {
        body.RefuseUnless("n", "1", static value => value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out var n) && n == 1);
        _ = body.Text("user");
    }
}
