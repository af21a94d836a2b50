using Loire.Engine.Models;
using Loire.Engine.Replica;
using Loire.Engine.Sampling;

namespace Loire.Cli.Bench;

/// <summary>Decode of many sequences through the step loop: with admission, sampling and readers around the steps.</summary>
internal sealed class GpuLoopBench(ModelFolder model, CudaOptions cuda, GpuBenchPlan plan, CancellationToken cancellationToken)
{
    private const int PromptTokens = 16;

    /// <summary>As servers start that are asked for nothing in particular.</summary>
    private static readonly SamplingSettings s_sampled = new() { Temperature = 1, TopP = 0.95f };

    public IEnumerable<GpuBenchRow> Run()
    {
        var most = plan.LoopBatches.Max();
        var options = new EngineOptions
        {
            Slots = most,
            KeyValueTokens = most * (PromptTokens + plan.LoopTokens + 128),
            MaxTokensPerStep = Math.Max(2048, most),
            MaxPromptTokensBesideDecode = 2048,
            ReadAheadTokens = plan.LoopTokens + 16,
        };
        var engine = CudaReplica.Load(model, options, cuda);
        try
        {
            foreach (var batch in plan.LoopBatches)
            {
                yield return Measure(engine, batch, "greedy", SamplingSettings.Greedy);
                yield return Measure(engine, batch, "sampled", s_sampled);
            }
        }
        finally
        {
            engine.DisposeAsync().AsTask().GetAwaiter().GetResult();
        }
    }

    private GpuBenchRow Measure(IReplicaEngine engine, int batch, string name, SamplingSettings sampling)
    {
        const int Runs = 5;
        double[] rates = [.. Enumerable.Range(0, Runs + 1).Select(run => RateAsync(engine, batch, run, sampling).GetAwaiter().GetResult()).Skip(1).Order()];
        var title = $"through the step loop, batch {batch}, {name}{(cuda.OverlapSteps ? "" : ", each step waited for")}";
        return new GpuBenchRow(title, rates[Runs / 2], rates[0], rates[^1], double.NaN);
    }

    /// <summary>Tokens a second of all sequences, from the first token of each to its last.</summary>
    private async Task<double> RateAsync(IReplicaEngine engine, int batch, int run, SamplingSettings sampling)
    {
        var random = new Random(run);
        var sequences = Enumerable.Range(0, batch).Select(i => engine.Start(new SequenceRequest
        {
            Tokens = [.. Enumerable.Range(0, PromptTokens).Select(_ => random.Next(engine.Shape.VocabularySize))],
            Sampling = sampling with { Seed = (ulong)i },
            MaxNewTokens = plan.LoopTokens,
        })).ToArray();
        return (await Task.WhenAll(sequences.Select(sequence => Task.Run(() => RateAsync(sequence), cancellationToken)))).Sum();
    }

    private async Task<double> RateAsync(ISequence sequence)
    {
        var buffer = new GeneratedToken[16];
        while (await sequence.ReadAsync(buffer, cancellationToken) > 0)
        {
        }

        var finish = await sequence.Finished;
        await sequence.ReleaseAsync(null);
        return (finish.TokenCount - PromptTokens - 1) / finish.DecodeTime.TotalSeconds;
    }
}
