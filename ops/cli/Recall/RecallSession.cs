using Loire.Cli.Http;

namespace Loire.Cli.Recall;

/// <summary>Holds one conversation of a recall file in one session.</summary>
/// <remarks>
/// History is what the file expects, not what the model said, unless the model's own answers are asked for. So when the
/// two differ, the turn is taken back by a rewind, and its question and the expected answer go in front of the next
/// question: a turn costs its new tokens, and after a difference those of the turns since the last agreement.
/// </remarks>
internal sealed class RecallSession(ServerClient client, string session, RecallSettings settings)
{
    // The longest expected answer of the demo model's file has less than a hundred tokens.
    private const int LongestAnswer = 160;

    /// <summary>Turns taken back, to be told again with the expected answers.</summary>
    private readonly List<Message> _pending = [];

    public async Task<IReadOnlyList<RecallAnswer>> HoldAsync(RecallConversation conversation, Action answered, CancellationToken cancellationToken)
    {
        List<RecallAnswer> answers = [];
        foreach (var turn in conversation.Messages)
        {
            var answer = await AskAsync(turn, cancellationToken);
            answers.Add(new RecallAnswer(turn, answer));
            answered();

            if (!settings.Own && answer != turn.Expected)
            {
                await client.RewindAsync(session, 1, cancellationToken);
                _pending.Add(Message.User(turn.User));
                _pending.Add(Message.Assistant(turn.Expected));
            }
            else
            {
                _pending.Clear();
            }

            if (settings.Hibernate)
            {
                await client.HibernateAsync(session, cancellationToken);
            }
        }

        return answers;
    }

    private async Task<string> AskAsync(RecallTurn turn, CancellationToken cancellationToken)
    {
        var completion = await client.ChatAsync(
            new ChatRequest { SessionId = session, Messages = [.. _pending, Message.User(turn.User)], MaxTokens = LongestAnswer }, cancellationToken);
        return completion.Text.Trim();
    }
}

/// <param name="Own">The model's own answers are the history.</param>
/// <param name="Hibernate">After every turn the slot is released, and the next one begins from the store.</param>
/// <param name="Parallel">Conversations at once.</param>
internal sealed record RecallSettings(bool Own, bool Hibernate, int Parallel);

internal sealed record RecallAnswer(RecallTurn Turn, string Answer)
{
    public bool IsRight => Answer == Turn.Expected;
}
