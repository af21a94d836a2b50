namespace Loire.Engine.Scheduling;

/// <summary>A sequence as the scheduler sees it.</summary>
/// <param name="Position">Tokens that its state covers.</param>
/// <param name="PromptLeft">Known tokens that the state does not cover yet, at least 1. 1 of a sequence that generates is its next decode row.</param>
/// <param name="IsDecoding">It has generated, or only its last prompt token is left.</param>
/// <param name="IsPaused">Its reader is behind, or it waits for its state.</param>
internal readonly record struct Candidate(int Position, int PromptLeft, bool IsDecoding, bool IsPaused);

/// <summary>How many tokens of each sequence go into the next step. Pure: sizes in, counts out.</summary>
/// <remarks>
/// Decode rows come first, one a sequence: they are cheap and someone waits for each. Prompt pieces share what is left, the
/// oldest sequence first. Beside decode rows a step's prompt rows are capped, so that a long prompt does not make streams stutter.
/// A piece that is not a prompt's last ends at a multiple of <see cref="PieceAlignment"/>: then a prompt is summed in the same
/// chunks whoever shares its steps, and its results are the same to the bit. Only where no aligned piece fits is another taken.
/// </remarks>
internal sealed class StepScheduler(int maxRows, int maxPromptRowsBesideDecode)
{
    /// <summary>Tokens of a lightning chunk, and of a page.</summary>
    public const int PieceAlignment = State.StateShape.PageTokens;

    /// <param name="candidates">In order of admission.</param>
    /// <param name="counts">Filled with the tokens of each candidate; 0 leaves it out.</param>
    /// <returns>All tokens of the step.</returns>
    public int Plan(ReadOnlySpan<Candidate> candidates, Span<int> counts)
    {
        var total = 0;
        for (var i = 0; i < candidates.Length; i++)
        {
            counts[i] = candidates[i] is { IsDecoding: true, IsPaused: false } && total < maxRows ? 1 : 0;
            total += counts[i];
        }

        var decodeRows = total;
        var room = total == 0 ? maxRows : Math.Min(maxRows - total, maxPromptRowsBesideDecode);
        for (var i = 0; i < candidates.Length && room > 0; i++)
        {
            if (candidates[i] is { IsDecoding: false, IsPaused: false } prompt)
            {
                counts[i] = PieceOf(prompt, room, mustGetOn: total == decodeRows);
                room -= counts[i];
                total += counts[i];
            }
        }

        return total;
    }

    private static int PieceOf(Candidate prompt, int room, bool mustGetOn)
    {
        if (prompt.PromptLeft <= room)
        {
            return prompt.PromptLeft;
        }

        var aligned = Math.Max(0, room - ((prompt.Position + room) % PieceAlignment));
        return aligned == 0 && mustGetOn ? room : aligned;
    }
}
