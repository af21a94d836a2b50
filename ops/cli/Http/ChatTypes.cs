using System.Text.Json.Serialization;

namespace Loire.Cli.Http;

/// <summary>One message, as the API reads it.</summary>
internal sealed record Message([property: JsonPropertyName("role")] string Role, [property: JsonPropertyName("content")] string Content)
{
    public static Message User(string content) => new("user", content);

    public static Message Assistant(string content) => new("assistant", content);
}

/// <summary>The body of <c>POST /v1/chat/completions</c>, as far as this program uses it.</summary>
internal sealed record ChatRequest
{
    [JsonPropertyName("model")]
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Model { get; init; }

    [JsonPropertyName("messages")]
    public required IReadOnlyList<Message> Messages { get; init; }

    /// <summary>The session has the history; <see cref="Messages"/> is what is new.</summary>
    [JsonPropertyName("session_id")]
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? SessionId { get; init; }

    /// <summary>A retry with the same id is the same turn.</summary>
    [JsonPropertyName("turn_id")]
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? TurnId { get; init; }

    /// <summary>Only names the session: <see cref="Messages"/> is the whole history. Sent as a header.</summary>
    [JsonIgnore]
    public string? NamedSession { get; init; }

    [JsonPropertyName("temperature")]
    public double Temperature { get; init; }

    [JsonPropertyName("max_tokens")]
    public int MaxTokens { get; init; } = 512;

    [JsonPropertyName("stream")]
    public bool Stream { get; init; }

    [JsonPropertyName("stream_options")]
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public StreamOptions? Options => Stream ? new StreamOptions(IncludeUsage: true) : null;

    /// <summary>Generation goes on past the model's end tokens: for measuring speed.</summary>
    [JsonPropertyName("ignore_eos")]
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public bool IgnoreEnd { get; init; }
}

internal sealed record StreamOptions([property: JsonPropertyName("include_usage")] bool IncludeUsage);

/// <summary>What a turn cost.</summary>
internal sealed record Usage
{
    [JsonPropertyName("prompt_tokens")]
    public int PromptTokens { get; init; }

    [JsonPropertyName("completion_tokens")]
    public int CompletionTokens { get; init; }

    [JsonPropertyName("prompt_tokens_details")]
    public PromptTokensDetails? Details { get; init; }

    [JsonIgnore]
    public int CachedTokens => Details?.CachedTokens ?? 0;
}

internal sealed record PromptTokensDetails([property: JsonPropertyName("cached_tokens")] int CachedTokens);

/// <summary>An answer, or one piece of a streamed one.</summary>
internal sealed record ChatCompletion
{
    [JsonPropertyName("choices")]
    public IReadOnlyList<Choice> Choices { get; init; } = [];

    [JsonPropertyName("usage")]
    public Usage? Usage { get; init; }

    /// <summary>Sent in place of a piece when a stream fails.</summary>
    [JsonPropertyName("error")]
    public ApiError? Error { get; init; }

    [JsonIgnore]
    public string Text => Choices.Count == 0 ? "" : (Choices[0].Message ?? Choices[0].Delta)?.Content ?? "";
}

internal sealed record Choice
{
    [JsonPropertyName("message")]
    public ChoiceText? Message { get; init; }

    [JsonPropertyName("delta")]
    public ChoiceText? Delta { get; init; }

    [JsonPropertyName("finish_reason")]
    public string? FinishReason { get; init; }
}

internal sealed record ChoiceText([property: JsonPropertyName("content")] string? Content);

internal sealed record ErrorBody([property: JsonPropertyName("error")] ApiError? Error);

internal sealed record ApiError(
    [property: JsonPropertyName("message")] string Message,
    [property: JsonPropertyName("code")] string? Code = null,
    [property: JsonPropertyName("param")] string? Param = null);
