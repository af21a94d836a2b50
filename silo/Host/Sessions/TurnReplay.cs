using Loire.Contracts;
using Loire.Store;

namespace Loire.Silo.Sessions;

/// <summary>The events of a committed turn, made from its record: what a client gets that did not see the end of it.</summary>
internal static class TurnReplay
{
    /// <remarks>Nothing is computed, so every prompt token counts as restored. Times are unknown, and 0; chunks are one.</remarks>
    /// <param name="turn">Committed.</param>
    /// <param name="delivered">What the caller has of it.</param>
    public static Queue<TurnEvent> Of(TurnRecord turn, DeliveredTokens delivered)
    {
        var prompt = turn.KeepTokens + turn.PromptTokens;
        return new Queue<TurnEvent>(
        [
            TurnEvent.Of(new TurnStart(prompt, prompt, StateSource.Store)),
            TurnEvent.Of(delivered.RestOf([.. turn.NewTokens.Skip(turn.PromptTokens)], turn.Messages[^1].Content)),
            TurnEvent.Of(new TurnFinish
            {
                Reason = TurnDraft.ReasonOf(turn.FinishReason),
                PromptTokens = prompt,
                CachedTokens = prompt,
                GeneratedTokens = turn.GeneratedTokens,
                Head = turn.Id.ToString(),
            }),
        ]);
    }
}
