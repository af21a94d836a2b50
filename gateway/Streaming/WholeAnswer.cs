using System.Collections.Immutable;
using System.Text;
using Loire.Contracts;

namespace Loire.Gateway;

/// <summary>A turn's answer in one piece.</summary>
internal sealed record WholeAnswer(string Text, ImmutableArray<TokenLogProb> LogProbs, TurnFinish Finish)
{
    /// <summary>Reads a turn to its end. Bounded by the turn's own max tokens.</summary>
    public static async Task<WholeAnswer> ReadAsync(OpenTurn turn)
    {
        var text = new StringBuilder();
        var logProbs = ImmutableArray.CreateBuilder<TokenLogProb>();
        while (await turn.Events.MoveNextAsync())
        {
            switch (turn.Events.Current)
            {
                case { Kind: TurnEventKind.Tokens, Chunk: { } chunk }:
                    text.Append(chunk.Text);
                    logProbs.AddRange(chunk.LogProbs);
                    break;
                case { Kind: TurnEventKind.Finished, Finish: { } finish }:
                    return new WholeAnswer(text.ToString(), logProbs.DrainToImmutable(), finish);
            }
        }

        throw new InvalidOperationException($"Turn '{turn.TurnId}' ended without a Finished event.");
    }
}
