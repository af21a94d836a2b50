using System.Net;
using Loire.Cli.Http;
using Loire.EndToEnd.Tests.Running;

namespace Loire.EndToEnd.Tests;

/// <summary>Sessions over HTTP: branches, both ways to keep a history, and turns that meet.</summary>
[Collection(DemoServerCollection.Name)]
public sealed class ConversationTests(DemoServer server)
{
    [Fact]
    public async Task Branches_do_not_see_each_other()
    {
        await server.Client.SayAsync("trunk", "My name is Ada.");
        await server.Client.ForkAsync("trunk", "branch", Deadline.Token());

        await server.Client.SayAsync("trunk", "I live in Oslo.");
        await server.Client.SayAsync("branch", "I live in Lima.");

        Assert.Equal("You live in Oslo.", (await server.Client.SayAsync("trunk", "Where do I live?")).Text);
        Assert.Equal("You live in Lima.", (await server.Client.SayAsync("branch", "Where do I live?")).Text);
        Assert.Equal("Your name is Ada.", (await server.Client.SayAsync("branch", "What is my name?")).Text);
    }

    [Fact]
    public async Task A_rewound_turn_has_not_happened()
    {
        var before = await server.Client.SayAsync("rewound", "I live in Oslo.");
        await server.Client.SayAsync("rewound", "My hobby is chess.");

        await server.Client.RewindAsync("rewound", 1, Deadline.Token());
        var after = await server.Client.SayAsync("rewound", "What is my hobby?");

        Assert.Equal("You have not told me your hobby yet.", after.Text);
        after.ComputedOnlyWhatIsNewAfter(before);
    }

    [Fact]
    public async Task A_hibernated_session_goes_on_where_it_was()
    {
        var told = await server.Client.SayAsync("asleep", "The safe opens with 48213.");
        await server.Client.HibernateAsync("asleep", Deadline.Token());

        var asked = await server.Client.SayAsync("asleep", "Which code opens the safe?");

        Assert.Contains("48213", asked.Text, StringComparison.Ordinal);
        asked.ComputedOnlyWhatIsNewAfter(told);
    }

    [Fact]
    public async Task The_whole_history_in_every_request_finds_its_longest_stored_beginning()
    {
        List<Message> history = [Message.User("My sister is called Greta.")];
        var first = await server.Client.ChatAsync(new ChatRequest { Messages = [.. history] }, Deadline.Token());
        history.AddRange([Message.Assistant(first.Text), Message.User("Greta lives in Lima.")]);
        var second = await server.Client.ChatAsync(new ChatRequest { Messages = [.. history] }, Deadline.Token());
        history.AddRange([Message.Assistant(second.Text), Message.User("Which city does my sister live in?")]);

        var third = await server.Client.ChatAsync(new ChatRequest { Messages = [.. history] }, Deadline.Token());

        Assert.Equal("Your sister Greta lives in Lima.", third.Text);
        new Answer(third.Text, third.Usage!).ComputedOnlyWhatIsNewAfter(new Answer(second.Text, second.Usage!));
    }

    [Fact]
    public async Task Both_ways_to_keep_a_history_give_the_same_answer()
    {
        await server.Client.SayAsync("kept", "My passport is behind the clock.");
        var kept = await server.Client.SayAsync("kept", "Where is my passport?");
        var whole = await server.Client.ChatAsync(
            new ChatRequest
            {
                NamedSession = "whole",
                Messages = [Message.User("My passport is behind the clock."), Message.Assistant("Understood."), Message.User("Where is my passport?")],
            },
            Deadline.Token());

        Assert.Equal(kept.Text, whole.Text);
        Assert.Equal(kept.Usage.PromptTokens, whole.Usage!.PromptTokens);
        Assert.Equal("whole", (await server.Client.SessionAsync("whole", Deadline.Token())).GetProperty("id").GetString());
    }

    [Fact]
    public async Task A_second_turn_at_once_in_one_session_is_refused()
    {
        await using var running = server.Client.StreamAsync(Endless("busy"), Deadline.Token()).GetAsyncEnumerator();
        Assert.True(await running.MoveNextAsync());

        var (status, body) = await server.PostAsync("v1/chat/completions", """{"session_id": "busy", "messages": [{"role": "user", "content": "And now?"}]}""");

        Assert.Equal(HttpStatusCode.Conflict, status);
        Assert.Contains("busy", body.GetProperty("error").GetProperty("message").GetString(), StringComparison.Ordinal);
        Assert.Equal("session_id", body.GetProperty("error").GetProperty("param").GetString());
    }

    [Fact]
    public async Task A_client_that_goes_away_frees_its_slot_and_its_session()
    {
        await using (var running = server.Client.StreamAsync(Endless("left"), Deadline.Token()).GetAsyncEnumerator())
        {
            Assert.True(await running.MoveNextAsync());
        }

        await Deadline.UntilAsync("no sequence runs", async () =>
        {
            var running = (await server.ReplicaAsync()).GetProperty("running").GetInt32();
            return (running == 0, $"{running} running");
        });
        await Deadline.UntilAsync("the session takes a turn again", async () =>
        {
            var (status, body) = await server.PostAsync("v1/chat/completions", """{"session_id": "left", "messages": [{"role": "user", "content": "My name is Ada."}]}""");
            return (status == HttpStatusCode.OK, $"{status}: {body}");
        });
    }

    [Fact]
    public async Task The_terminal_holds_a_conversation_and_branches_it()
    {
        const string typed = """
            My sister is called Greta.
            Greta lives in Lima.
            /fork terminal-branch
            Which city does my sister live in?
            /rewind
            /sessions
            /quit

            """;

        var result = await CommandProcess.TypeAsync(typed, "chat", "--url", server.Address, "--session", "terminal");

        Assert.True(result.ExitCode == 0, result.ToString());
        Assert.Contains("Your sister Greta lives in Lima.", result.Output, StringComparison.Ordinal);
        Assert.Contains("went back 1 turn", result.Output, StringComparison.Ordinal);
        Assert.Contains("terminal-branch", result.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Recall_asks_a_server_that_runs()
    {
        using var folder = new TemporaryFolder();
        await File.WriteAllTextAsync(folder.File("one.json"), """
            [{"turns": 2, "messages": [
                {"user": "My hobby is cycling.", "expected": "OK.", "kind": "tell"},
                {"user": "What is my hobby?", "expected": "Your hobby is cycling.", "kind": "recall"}]}]
            """);

        var result = await CommandProcess.RunAsync("recall", "--url", server.Address, "--file", folder.File("one.json"));

        Assert.True(result.ExitCode == 0, result.ToString());
        Assert.Contains("the bars hold", result.Output, StringComparison.Ordinal);
    }

    private static ChatRequest Endless(string session) =>
        new() { SessionId = session, Messages = [Message.User("What is a harbor?")], MaxTokens = 20_000, IgnoreEnd = true };
}
