using System.ComponentModel.DataAnnotations;

namespace Loire.Engine.Replica;

/// <summary>How a replica runs its model. Read once, at start.</summary>
public sealed record EngineOptions : IValidatableObject
{
    /// <summary>Sequences that have a slot at once, running and resident.</summary>
    [Range(1, 4096)]
    public int Slots { get; init; } = 64;

    /// <summary>Tokens of keys and values that fit the pages, all sequences together.</summary>
    [Range(64, int.MaxValue)]
    public int KeyValueTokens { get; init; } = 65_536;

    /// <summary>Most tokens in one step, prompt pieces and decode tokens together.</summary>
    [Range(16, 1 << 16)]
    public int MaxTokensPerStep { get; init; } = 512;

    /// <summary>Most prompt tokens in a step that also decodes: about 20 ms of the demo model on two cores, so that streams do not stutter.</summary>
    [Range(16, 1 << 16)]
    public int MaxPromptTokensBesideDecode { get; init; } = 128;

    /// <summary>Sequences that may wait for admission before more are refused.</summary>
    [Range(1, 1 << 20)]
    public int MaxWaiting { get; init; } = 1024;

    /// <summary>Threads that compute, the stepping one included. 0: one a core.</summary>
    [Range(0, 1024)]
    public int Threads { get; init; }

    /// <summary>
    /// Whether memory of slots and pages on the CPU is backed at start: then a machine that has too little says so before the first turn, and no step waits for the system.
    /// Otherwise memory is taken as slots and pages are first used.
    /// </summary>
    public bool CommitsStates { get; init; }

    /// <summary>Tokens a sequence may be ahead of its reader.</summary>
    [Range(16, 1 << 16)]
    public int ReadAheadTokens { get; init; } = 512;

    IEnumerable<ValidationResult> IValidatableObject.Validate(ValidationContext validationContext)
    {
        if (MaxTokensPerStep < Slots)
        {
            yield return new ValidationResult(
                $"Engine:MaxTokensPerStep ({MaxTokensPerStep}) must be at least Engine:Slots ({Slots}): every running sequence decodes one token a step.",
                [nameof(MaxTokensPerStep)]);
        }
    }
}
