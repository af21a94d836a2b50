using Loire.Engine.Replica;

namespace Loire.Cli.Verify;

/// <summary>Runs the prompts of a reference file and prints a line for each way of feeding each of them.</summary>
/// <param name="runner">Of the model.</param>
/// <param name="tolerance">Of the logits' relative error.</param>
/// <param name="isTokenForToken">Whether clear greedy tokens have to be the reference's; else they are counted only.</param>
/// <param name="output">Takes a line a prompt.</param>
internal sealed class PromptCheck(OfflineRunner runner, double tolerance, bool isTokenForToken, TextWriter output)
{
    public double WorstError { get; private set; }

    /// <returns>Whether every error is within the tolerance and every clear greedy token agrees that has to.</returns>
    public bool Run(IReadOnlyList<ReferencePrompt> prompts, CancellationToken cancellationToken)
    {
        var good = true;
        output.WriteLine($"{"tokens",-8} {"fed",-12} {"rel. error",10}  {"greedy",11}");
        foreach (var prompt in prompts)
        {
            foreach (var (name, lengths) in Pieces.WaysToFeed(prompt.Ids.Length))
            {
                cancellationToken.ThrowIfCancellationRequested();
                good &= Compare(prompt, name, lengths);
            }

            good &= prompt.Generated.Length == 0 || CompareContinuation(prompt);
        }

        return good;
    }

    private bool Compare(ReferencePrompt prompt, string fed, int[] pieces)
    {
        var comparison = new LogitsComparison();
        var reference = new float[runner.Graph.VocabularySize];
        var row = 0;
        runner.Run(prompt.Ids, pieces, (position, logits) =>
        {
            if (row < prompt.Positions.Length && prompt.Positions[row] == position)
            {
                prompt.CopyLogits(row, reference);
                comparison.Add(logits, reference);
                row++;
            }
        });

        var error = comparison.RelativeError;
        WorstError = error > WorstError || double.IsNaN(error) ? error : WorstError;
        var good = error <= tolerance && (comparison.Agreeing == comparison.Clear || !isTokenForToken) && row == prompt.Positions.Length;
        var note = error <= tolerance ? "" : $"  ({comparison.RowsAbove(tolerance)} of {comparison.Rows} positions are above, the median one is {comparison.MedianError:0.0e+00})";
        Print(prompt, fed, $"{error:0.0e+00}", $"{comparison.Agreeing}/{comparison.Clear}", good, note);
        return good;
    }

    /// <summary>The greedy continuation, which is compared up to the first token that rounding may flip.</summary>
    private bool CompareContinuation(ReferencePrompt prompt)
    {
        var expected = prompt.Generated;
        var clear = ClearTokens(prompt);
        var generated = runner.Greedy(prompt.Ids, expected.Length);
        var agreeing = generated.AsSpan().CommonPrefixLength(expected);
        var good = agreeing >= clear || !isTokenForToken;
        Print(prompt, "generated", "", $"{agreeing}/{expected.Length}", good, agreeing < expected.Length && agreeing >= clear ? "  (the rest is within rounding)" : "");
        return good;
    }

    /// <summary>How many tokens of the continuation come before the first whose two best logits are too close to call.</summary>
    private int ClearTokens(ReferencePrompt prompt)
    {
        var clear = prompt.Generated.Length;
        runner.Run([.. prompt.Ids, .. prompt.Generated.AsSpan(..^1)], [], (position, logits) =>
        {
            var index = position - (prompt.Ids.Length - 1);
            if (index >= 0 && index < clear && LogitsComparison.Best(logits).Gap < LogitsComparison.SmallestGap)
            {
                clear = index;
            }
        });
        return clear;
    }

    private void Print(ReferencePrompt prompt, string fed, string error, string greedy, bool good, string note = "") =>
        output.WriteLine($"{prompt.Ids.Length,-8} {fed,-12} {error,10}  {greedy,11}{note}{(good ? "" : "  <- wrong")}");
}
