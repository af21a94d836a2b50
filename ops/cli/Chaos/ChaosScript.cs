using Loire.Cli.Http;
using Loire.Cli.Recall;

namespace Loire.Cli.Chaos;

/// <summary>What one conversation says, turn by turn: questions that need memory, and now and then an answer long enough to be hit in the middle.</summary>
internal sealed record ChaosScript(int Number, IReadOnlyList<ChaosTurn> Turns)
{
    private const int ShortAnswer = 160;
    private const int LongAnswer = 320;
    private const int LongEvery = 3;
    private const int MostTurns = 9;

    /// <param name="conversations">Recall conversations.</param>
    /// <param name="count">How many scripts to make of them.</param>
    public static IReadOnlyList<ChaosScript> Of(IReadOnlyList<RecallConversation> conversations, int count) =>
        [.. Enumerable.Range(0, count).Select(number => new ChaosScript(number, [.. conversations[number % conversations.Count].Messages.Take(MostTurns).Select(Turn)]))];

    private static ChaosTurn Turn(RecallTurn turn, int index) => new(turn.User, index % LongEvery == LongEvery - 1 ? LongAnswer : ShortAnswer, index % LongEvery == LongEvery - 1);
}

/// <param name="User">What is said.</param>
/// <param name="MaxTokens">Of the answer.</param>
/// <param name="IsLong">The answer goes on to <paramref name="MaxTokens"/>, past the model's own end.</param>
internal sealed record ChaosTurn(string User, int MaxTokens, bool IsLong)
{
    public ChatRequest Request(string session, string turnId) => new()
    {
        SessionId = session, TurnId = turnId, Messages = [Message.User(User)], MaxTokens = MaxTokens, IgnoreEnd = IsLong, Stream = true,
    };
}
