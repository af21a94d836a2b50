using Loire.Cli.Http;
using Loire.Cli.Serve;
using Loire.EndToEnd.Tests.Running;

namespace Loire.EndToEnd.Tests;

/// <summary>A conversation outlives the process that it was held with, however that ends.</summary>
public sealed class RestartTests
{
    [Fact]
    public async Task A_session_answers_after_a_stop_and_again_after_a_kill_and_computes_only_what_is_new()
    {
        using var data = new TemporaryFolder();
        Answer told;
        await using (var server = await StartAsync(data))
        {
            using var client = new ServerClient(server.Address);
            Assert.Equal("Understood.", (await client.SayAsync("family", "My sister is called Greta.")).Text);
            told = await client.SayAsync("family", "Greta lives in Lima.");
            Assert.Equal("Understood.", told.Text);
            Assert.Equal(0, await server.StopAsync(Deadline.Token()));
        }

        Answer asked;
        await using (var server = await StartAsync(data))
        {
            using var client = new ServerClient(server.Address);
            asked = await client.SayAsync("family", "Which city does my sister live in?");
            Assert.Equal("Your sister Greta lives in Lima.", asked.Text);
            asked.ComputedOnlyWhatIsNewAfter(told);
            await server.KillAsync();
        }

        await using (var server = await StartAsync(data))
        {
            using var client = new ServerClient(server.Address);
            var again = await client.SayAsync("family", "Which city does my sister live in?");
            Assert.Equal("Your sister Greta lives in Lima.", again.Text);
            again.ComputedOnlyWhatIsNewAfter(asked);
        }
    }

    [Fact]
    public async Task A_kill_in_the_middle_of_a_turn_leaves_the_session_as_it_was_before_or_with_what_was_delivered()
    {
        using var data = new TemporaryFolder();
        await using (var server = await StartAsync(data))
        {
            using var client = new ServerClient(server.Address);
            await client.SayAsync("cut", "My hobby is chess.");
            var endless = new ChatRequest { SessionId = "cut", Messages = [Message.User("What is a harbor?")], MaxTokens = 20_000, IgnoreEnd = true };
            await using var pieces = client.StreamAsync(endless, Deadline.Token()).GetAsyncEnumerator();
            Assert.True(await pieces.MoveNextAsync());
            await server.KillAsync();
        }

        await using (var server = await StartAsync(data))
        {
            using var client = new ServerClient(server.Address);
            Assert.Equal("Your hobby is chess.", (await client.SayAsync("cut", "What is my hobby?")).Text);
        }
    }

    [Fact]
    public async Task A_second_server_on_the_same_data_directory_is_refused_in_one_line()
    {
        using var data = new TemporaryFolder();
        await using var server = await StartAsync(data);

        var second = await CommandProcess.RunAsync("serve", "--port", "0", "--data", data.Path, "--model", Demo.Model);

        Assert.True(second.ExitCode is 1 or 2, second.ToString());
        Assert.Contains(data.Path, second.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", second.Error, StringComparison.Ordinal);
    }

    private static Task<ServerProcess> StartAsync(TemporaryFolder data) => ServerProcess.StartAsync(data.Path, Demo.Model, Deadline.Token());
}
