using System.Text;
using Loire.Cli.Http;

namespace Loire.EndToEnd.Tests.Running;

/// <summary>Turns of a session, streamed.</summary>
internal static class Talk
{
    /// <summary>Says one thing in a session, and reads the answer piece by piece.</summary>
    public static async Task<Answer> SayAsync(this ServerClient client, string session, string text)
    {
        var answer = new StringBuilder();
        Usage? usage = null;
        var request = new ChatRequest { SessionId = session, Messages = [Message.User(text)] };
        await foreach (var piece in client.StreamAsync(request, Deadline.Token()))
        {
            answer.Append(piece.Text);
            usage = piece.Usage ?? usage;
        }

        return new Answer(answer.ToString(), usage ?? throw new InvalidOperationException("The stream ended without its usage."));
    }
}

/// <param name="Text">All pieces together.</param>
/// <param name="Usage">Of the last one.</param>
internal sealed record Answer(string Text, Usage Usage)
{
    /// <summary>Prompt tokens that were computed and not restored.</summary>
    public int Computed => Usage.PromptTokens - Usage.CachedTokens;

    public int TotalTokens => Usage.PromptTokens + Usage.CompletionTokens;

    /// <summary>Holds that nothing was computed but what this turn added to the one before it.</summary>
    /// <remarks>And the token that the turn before ended with: it was sampled, and never fed.</remarks>
    public void ComputedOnlyWhatIsNewAfter(Answer before)
    {
        var added = Usage.PromptTokens - before.TotalTokens;
        Assert.True(Computed <= added + 1, $"{Usage.PromptTokens} prompt tokens, {added} of them new, and only {Usage.CachedTokens} restored.");
    }
}
