using System.Diagnostics;
using Loire.Cli.Http;
using Loire.Cli.Serve;
using Loire.Cli.Terminal;
using Loire.Engine.Models;

namespace Loire.Cli.Bench;

/// <summary>The whole server, over HTTP and in a process of its own, which is restarted where that is the question.</summary>
internal sealed class ServerBench(ModelFolder model, int runs, CancellationToken cancellationToken)
{
    private const int LongPrompt = 8192;
    private const int DecodeTokens = 384;
    private const int ManyStreams = 16;
    private const int Branches = 21;

    private readonly PromptSource _prompts = new(model);
    private readonly string _data = Directory.CreateTempSubdirectory("loire-bench-").FullName;

    public async Task<IReadOnlyList<Measurement>> RunAsync(IProgress<double> progress)
    {
        try
        {
            List<Measurement> measurements = [];
            await using (var server = await StartAsync())
            {
                using var client = new ServerClient(server.Address);
                await OneStreamAsync(client);
                measurements.Add(new() { Name = "HTTP: decode, one stream", Unit = "tokens/s", Samples = await RepeatAsync(() => OneStreamAsync(client)) });
                measurements.Add(new() { Name = $"HTTP: decode, {ManyStreams} streams together", Unit = "tokens/s", Samples = await RepeatAsync(() => ManyStreamsAsync(client)) });
                progress.Report(0.3);
                measurements.AddRange(await BranchesAsync(client));
                progress.Report(0.5);
                await BeginLongSessionAsync(client);
                measurements.Add(new() { Name = "server's memory, highest", Unit = "MB", Samples = [server.PeakMemory / 1e6], Target = 400, LowerIsBetter = true });
                await server.StopAsync(cancellationToken);
            }

            measurements.AddRange(await ResumeAsync(progress));
            return measurements;
        }
        finally
        {
            Directory.Delete(_data, recursive: true);
        }
    }

    private Task<ServerProcess> StartAsync() => ServerProcess.StartAsync(_data, model.Path, cancellationToken);

    private async Task<double> OneStreamAsync(ServerClient client)
    {
        var (_, rest, tokens) = await TimeAsync(client, new ChatRequest { Messages = [Message.User("Count.")], MaxTokens = DecodeTokens, IgnoreEnd = true });
        return (tokens - 1) / rest.TotalSeconds;
    }

    /// <summary>All tokens over the time from the first request to the last answer, prompts included.</summary>
    private async Task<double> ManyStreamsAsync(ServerClient client)
    {
        var start = Stopwatch.GetTimestamp();
        var answers = await Task.WhenAll(Enumerable.Range(0, ManyStreams).Select(number =>
            TimeAsync(client, new ChatRequest { Messages = [Message.User($"My number is {number}.")], MaxTokens = DecodeTokens, IgnoreEnd = true })));
        return answers.Sum(answer => answer.Tokens) / Stopwatch.GetElapsedTime(start).TotalSeconds;
    }

    /// <summary>Fork and rewind after about 10 tokens and after 5,000: what moves is a name, so the two must cost the same.</summary>
    private async Task<IReadOnlyList<Measurement>> BranchesAsync(ServerClient client)
    {
        Dictionary<string, (double[] Fork, double[] Rewind)> samples = [];
        foreach (var (name, prompt) in new[] { ("short", "Hello."), ("long", _prompts.TextOf(5000)) })
        {
            await client.ChatAsync(new ChatRequest { SessionId = name, Messages = [Message.User(prompt)], MaxTokens = 2 }, cancellationToken);
            await client.ChatAsync(new ChatRequest { SessionId = name, Messages = [Message.User("Yes.")], MaxTokens = 2 }, cancellationToken);
            await BranchAsync(client, name, "warm");
            samples[name] = (new double[Branches], new double[Branches]);
            for (var branch = 0; branch < Branches; branch++)
            {
                (samples[name].Fork[branch], samples[name].Rewind[branch]) = await BranchAsync(client, name, $"{branch}");
            }
        }

        return
        [
            new() { Name = "fork after 10 tokens", Unit = "ms", Samples = samples["short"].Fork },
            new() { Name = "fork after 5,000 tokens", Unit = "ms", Samples = samples["long"].Fork, Target = 2 * Measurement.MedianOf(samples["short"].Fork), LowerIsBetter = true },
            new() { Name = "rewind after 10 tokens", Unit = "ms", Samples = samples["short"].Rewind },
            new() { Name = "rewind after 5,000 tokens", Unit = "ms", Samples = samples["long"].Rewind, Target = 2 * Measurement.MedianOf(samples["short"].Rewind), LowerIsBetter = true },
        ];
    }

    private async Task<(double ForkMilliseconds, double RewindMilliseconds)> BranchAsync(ServerClient client, string session, string branch)
    {
        var start = Stopwatch.GetTimestamp();
        await client.ForkAsync(session, $"{session}-{branch}", cancellationToken);
        var fork = Stopwatch.GetElapsedTime(start);
        start = Stopwatch.GetTimestamp();
        await client.RewindAsync($"{session}-{branch}", 1, cancellationToken);
        return (fork.TotalMilliseconds, Stopwatch.GetElapsedTime(start).TotalMilliseconds);
    }

    private async Task BeginLongSessionAsync(ServerClient client) =>
        await client.ChatAsync(new ChatRequest { SessionId = "resumed", Messages = [Message.User(_prompts.TextOf(LongPrompt))], MaxTokens = 2 }, cancellationToken);

    /// <summary>Each time a fresh process, which reads the session's state from the store.</summary>
    private async Task<IReadOnlyList<Measurement>> ResumeAsync(IProgress<double> progress)
    {
        var samples = new double[runs];
        for (var run = 0; run < runs; run++)
        {
            await using var server = await StartAsync();
            using var client = new ServerClient(server.Address);

            // Another session's turn first: the question is what restoring costs, not what compiling does.
            await TimeAsync(client, new ChatRequest { Messages = [Message.User("Hello.")], MaxTokens = 8 });
            var (first, _, _) = await TimeAsync(client, new ChatRequest { SessionId = "resumed", Messages = [Message.User("What is 17 + 25?")], MaxTokens = 8 }, mostComputed: 64);
            samples[run] = first.TotalMilliseconds;
            await server.StopAsync(cancellationToken);
            progress.Report(0.5 + (0.5 * (run + 1) / runs));
        }

        return [new() { Name = "first token of a resumed 8 K session", Unit = "ms", Samples = samples, Target = 50, LowerIsBetter = true }];
    }

    /// <summary>Time to the first text, and from there to the end.</summary>
    private async Task<(TimeSpan First, TimeSpan After, int Tokens)> TimeAsync(ServerClient client, ChatRequest request, int mostComputed = int.MaxValue)
    {
        var start = Stopwatch.GetTimestamp();
        TimeSpan? first = null;
        Usage? usage = null;
        await foreach (var piece in client.StreamAsync(request, cancellationToken))
        {
            first ??= piece.Text.Length > 0 ? Stopwatch.GetElapsedTime(start) : null;
            usage = piece.Usage ?? usage;
        }

        var all = Stopwatch.GetElapsedTime(start);
        if (usage is null || usage.PromptTokens - usage.CachedTokens > mostComputed)
        {
            throw new CommandFailedException($"{usage?.PromptTokens} tokens and only {usage?.CachedTokens} of them restored: this would time a prefill.");
        }

        return (first ?? all, all - (first ?? all), usage.CompletionTokens);
    }

    private async Task<double[]> RepeatAsync(Func<Task<double>> measure)
    {
        var samples = new double[runs];
        for (var run = 0; run < runs; run++)
        {
            samples[run] = await measure();
        }

        return samples;
    }
}
