using System.Diagnostics;
using Loire.Engine.Models;
using Loire.Engine.Replica;
using Loire.Engine.Sampling;

namespace Loire.Cli.Bench;

/// <summary>The engine alone: what the step loop does in a second, and what it allocates.</summary>
internal sealed class EngineBench(ModelFolder model, Machine machine, int runs, CancellationToken cancellationToken)
{
    private const int ShortPrompt = 64;
    private const int DecodeTokens = 384;
    private const int ManyStreams = 16;
    private const int LongPrompt = 8192;

    // Tokens at both ends of a sequence that are not looked at when allocations are counted.
    private const int Unsteady = 64;

    private readonly ModelCost _cost = ModelCost.Of(model);
    private readonly PromptSource _prompts = new(model);

    public async Task<IReadOnlyList<Measurement>> RunAsync(IProgress<double> progress)
    {
        using var stage = CpuReplica.LoadStage(model, 0, model.Graph.Layers.Length);
        using var shard = CpuReplica.LoadShard(model, 0, model.Graph.Layers.Select(layer => layer.FeedForward).OfType<MoeSpec>().Select(moe => moe.Experts).FirstOrDefault());
        await using var engine = CpuReplica.Join(model, [stage], [shard], new EngineOptions());

        await OneStreamAsync(engine); // compiles, and touches the memory
        var one = await RepeatAsync(OneStreamAsync);
        progress.Report(0.3);
        var many = await RepeatAsync(ManyStreamsAsync);
        progress.Report(0.6);
        var prefill = await RepeatAsync(PrefillAsync);
        progress.Report(0.9);
        var allocated = await RepeatAsync(AllocatedPerStepAsync);
        return
        [
            new() { Name = "decode, one stream", Unit = "tokens/s", Samples = one, Target = 900, Limit = _cost.TokensPerSecond(machine, 1) },
            new() { Name = $"decode, {ManyStreams} streams together", Unit = "tokens/s", Samples = many, Target = 3500, Limit = _cost.TokensPerSecond(machine, ManyStreams) },
            new() { Name = "prefill, 8 K tokens", Unit = "tokens/s", Samples = prefill, Target = 7000, Limit = _cost.TokensPerSecond(machine, LongPrompt) },
            new() { Name = "allocated in a decode step", Unit = "bytes", Samples = allocated, Target = 0, LowerIsBetter = true },
        ];

        async Task<double[]> RepeatAsync(Func<IReplicaEngine, Task<double>> measure)
        {
            var samples = new double[runs];
            for (var run = 0; run < runs; run++)
            {
                cancellationToken.ThrowIfCancellationRequested();
                samples[run] = await measure(engine);
            }

            return samples;
        }
    }

    /// <summary>Tokens a second after the first.</summary>
    private async Task<double> OneStreamAsync(IReplicaEngine engine)
    {
        var sequence = Start(engine, _prompts.Next(ShortPrompt), DecodeTokens);
        var buffer = new GeneratedToken[DecodeTokens];
        var tokens = await sequence.ReadAsync(buffer, cancellationToken);
        var (first, start) = (tokens, Stopwatch.GetTimestamp());
        while (await sequence.ReadAsync(buffer, cancellationToken) is var count && count > 0)
        {
            tokens += count;
        }

        var rate = (tokens - first) / Stopwatch.GetElapsedTime(start).TotalSeconds;
        await sequence.ReleaseAsync(null);
        return rate;
    }

    /// <summary>From the moment when every stream has a token until the first one ends: none is missing from a step.</summary>
    private async Task<double> ManyStreamsAsync(IReplicaEngine engine)
    {
        var sequences = Enumerable.Range(0, ManyStreams).Select(_ => Start(engine, _prompts.Next(ShortPrompt), DecodeTokens)).ToArray();
        await Task.WhenAll(sequences.Select(sequence => sequence.ReadAsync(new GeneratedToken[1], cancellationToken).AsTask()));
        var (before, start) = (engine.Load.GeneratedTokens, Stopwatch.GetTimestamp());
        var drained = sequences.Select(DrainAsync).ToArray();
        await Task.WhenAny(sequences.Select(sequence => sequence.Finished));
        var rate = (engine.Load.GeneratedTokens - before) / Stopwatch.GetElapsedTime(start).TotalSeconds;
        await Task.WhenAll(drained);
        return rate;
    }

    private async Task<double> PrefillAsync(IReplicaEngine engine)
    {
        var prompt = _prompts.Next(LongPrompt);
        var start = Stopwatch.GetTimestamp();
        var sequence = Start(engine, prompt, 1);
        await sequence.ReadAsync(new GeneratedToken[1], cancellationToken);
        var rate = prompt.Length / Stopwatch.GetElapsedTime(start).TotalSeconds;
        await DrainAsync(sequence);
        return rate;
    }

    /// <summary>What the stepping thread allocates over a few hundred steps, while tokens are read as they come.</summary>
    private async Task<double> AllocatedPerStepAsync(IReplicaEngine engine)
    {
        var sequence = Start(engine, _prompts.Next(ShortPrompt), DecodeTokens);
        await sequence.Started;
        var buffer = new GeneratedToken[DecodeTokens];
        var read = await ReadUntilAsync(engine, sequence, buffer, 0, Unsteady);
        var before = engine.Load;
        await ReadUntilAsync(engine, sequence, buffer, read, DecodeTokens - Unsteady);
        var after = engine.Load;
        var allocated = (double)(after.AllocatedBytes - before.AllocatedBytes) / (after.Steps - before.Steps);
        await DrainAsync(sequence);
        return allocated;
    }

    /// <summary>Reads only what is there, and sleeps in between: waiting for a token would allocate.</summary>
    private async ValueTask<int> ReadUntilAsync(IReplicaEngine engine, ISequence sequence, GeneratedToken[] buffer, int read, int wanted)
    {
        var before = engine.Load.GeneratedTokens - read;
        while (read < wanted && !cancellationToken.WaitHandle.WaitOne(1))
        {
            if (engine.Load.GeneratedTokens > before + read)
            {
                read += await sequence.ReadAsync(buffer, cancellationToken);
            }
        }

        return read;
    }

    private async Task DrainAsync(ISequence sequence)
    {
        var buffer = new GeneratedToken[DecodeTokens];
        while (await sequence.ReadAsync(buffer, cancellationToken) > 0)
        {
        }

        await sequence.ReleaseAsync(null);
    }

    private static ISequence Start(IReplicaEngine engine, int[] prompt, int tokens) =>
        engine.Start(new SequenceRequest { Tokens = prompt, Sampling = SamplingSettings.Greedy, MaxNewTokens = tokens });
}
