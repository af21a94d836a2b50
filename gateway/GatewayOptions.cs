using System.ComponentModel.DataAnnotations;
using Microsoft.Extensions.Options;

namespace Loire.Gateway;

/// <summary>How one gateway treats its clients. Checked at start, immutable after that.</summary>
public sealed class GatewayOptions : IValidatableObject
{
    /// <summary>Largest request body, in bytes. 8 MiB: a context of a million tokens of English is about half of it.</summary>
    [Range(1024, 1 << 30)]
    public int BodyLimitBytes { get; init; } = 8 << 20;

    /// <summary>Keys that clients may use. Empty: no key is asked for, and all sessions belong to <c>local</c>.</summary>
    public IReadOnlyList<string> ApiKeys { get; init; } = [];

    /// <summary>Those of <see cref="ApiKeys"/> that may also drain silos. Without keys, everybody may.</summary>
    public IReadOnlyList<string> OperatorKeys { get; init; } = [];

    /// <summary>Host names by which clients may call, such as <c>localhost</c> or <c>*.example.org</c>. Empty: by any.</summary>
    public IReadOnlyList<string> AllowedHosts { get; init; } = [];

    /// <summary>Most turns in this gateway at once, running or waiting for a slot. One more is refused with 503.</summary>
    [Range(1, 1 << 16)]
    public int MaxConcurrentTurns { get; init; } = 256;

    /// <summary>Most tokens of a chat answer when the client gives no limit. 4,096: an answer that runs away ends within seconds.</summary>
    [Range(1, 1 << 24)]
    public int DefaultAnswerTokens { get; init; } = 4096;

    /// <summary>Most messages in one request. Templates cost time for each, however short it is.</summary>
    [Range(1, 1 << 20)]
    public int MaxMessages { get; init; } = 10_000;

    /// <summary>How often a turn is built anew when its session moves on between reading the history and running the turn.</summary>
    [Range(1, 100)]
    public int HeadMovedAttempts { get; init; } = 4;

    /// <summary>How long a turn that has begun may stand still while the cluster recovers, before its client is told that it failed.</summary>
    [Range(typeof(TimeSpan), "00:00:00", "01:00:00")]
    public TimeSpan FailoverTimeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>How old the list of models may be before it is asked for again.</summary>
    [Range(typeof(TimeSpan), "00:00:00", "01:00:00")]
    public TimeSpan ModelListAge { get; init; } = TimeSpan.FromSeconds(2);

    /// <summary>How long readiness waits for the cluster before it says no.</summary>
    [Range(typeof(TimeSpan), "00:00:00.1", "00:01:00")]
    public TimeSpan ReadinessTimeout { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>Whether the chat page is served at <c>/</c>.</summary>
    public bool ServePage { get; init; } = true;

    IEnumerable<ValidationResult> IValidatableObject.Validate(ValidationContext validationContext)
    {
        if (ApiKeys.Any(static key => key.Length < MinKeyLength || key.Any(static letter => letter is <= ' ' or > '~')))
        {
            yield return new ValidationResult(
                $"Gateway:ApiKeys has a key of fewer than {MinKeyLength} characters or with characters that a header cannot carry: use printable ASCII without blanks.",
                [nameof(ApiKeys)]);
        }
    }

    private const int MinKeyLength = 8;
}

[OptionsValidator]
internal sealed partial class GatewayOptionsValidator : IValidateOptions<GatewayOptions>;
