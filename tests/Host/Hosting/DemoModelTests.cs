using Loire.Contracts;
using Loire.Silo;
using Loire.Text;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Orleans;

namespace Loire.Host.Tests;

/// <summary>The demo model on the real engine, through the grains: what it was told, it knows after a restart.</summary>
public sealed class DemoModelTests
{
    [Theory]
    [InlineData(1, 1)]
    [InlineData(2, 4)]
    public async Task What_was_told_before_a_restart_is_known_after_it(int stages, int shards)
    {
        var model = DemoFolder();
        var chat = ChatFormat.Load(model);
        var tokenizer = Tokenizer.Load(Path.Combine(model, "tokenizer.json"));
        var data = Directory.CreateTempSubdirectory("loire-demo-").FullName;
        try
        {
            var messages = new List<ChatMessage>();
            var answers = new List<string>();
            var starts = new List<TurnStart>();
            foreach (var said in new[] { "My sister is called Greta.", "Greta lives in Lima.", "Which city does my sister live in?" })
            {
                messages.Add(new ChatMessage("user", said));
                var events = await RunAsync(model, data, stages, shards, chat.Encode(messages, addGenerationPrompt: true, tokenizer), $"t{messages.Count}");
                answers.Add(World.TextOf(events));
                starts.Add(events[0].Start!);
                messages.Add(new ChatMessage("assistant", answers[^1]));
            }

            Assert.Equal("Your sister Greta lives in Lima.", answers[^1]);
            Assert.All(starts.Skip(1), start => Assert.Equal(StateSource.Store, start.Source)); // each turn ran in a silo of its own
            Assert.All(starts, start => Assert.Null(start.Warning));
            Assert.InRange(starts[^1].PromptTokens - starts[^1].CachedTokens, 1, 40);
        }
        finally
        {
            Directory.Delete(data, recursive: true);
        }
    }

    private static async Task<List<TurnEvent>> RunAsync(string model, string data, int stages, int shards, int[] prompt, string turnId)
    {
        var builder = Microsoft.Extensions.Hosting.Host.CreateApplicationBuilder();
        builder.Logging.ClearProviders();
        builder.AddLoireSilo(new SiloOptions { ModelFolders = [model], DataDirectory = data, Stages = stages, ExpertShards = shards });
        using var host = builder.Build();
        await host.StartAsync();
        var session = host.Services.GetRequiredService<IGrainFactory>().GetGrain<ISessionGrain>("local/demo");
        var events = await World.ReadAsync(session.RunTurnAsync(new TurnRequest
        {
            TurnId = turnId, Model = Path.GetFileName(model), Tokens = [.. prompt], Sampling = new SamplingOptions(), MaxTokens = 60,
        }));
        await host.StopAsync();
        await ((IAsyncDisposable)host).DisposeAsync();
        return events;
    }

    internal static string DemoFolder()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, "Cluster.sln")))
            {
                return Path.Combine(folder.FullName, "ops", "models", "loire-demo");
            }
        }

        throw new DirectoryNotFoundException($"No Cluster.sln above '{AppContext.BaseDirectory}'.");
    }
}
