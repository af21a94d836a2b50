using Loire.Cli.Terminal;
using Loire.Engine.Backends;
using Loire.Engine.Models;
using Loire.Engine.Placement;
using Loire.Engine.Replica;
using Loire.Engine.State;

namespace Loire.Cli.Bench;

/// <summary>Decode and prefill of a model on a GPU, beside the limits that its bytes and operations set.</summary>
internal sealed class GpuBench(ModelFolder model, CudaOptions cuda, GpuBenchPlan plan, CancellationToken cancellationToken)
{
    public IReadOnlyList<GpuBenchRow> Run(TextWriter output)
    {
        List<GpuBenchRow> rows = [.. RunSteps(output)];
        foreach (var row in plan.LoopBatches.Count == 0 ? [] : new GpuLoopBench(model, cuda, plan, cancellationToken).Run())
        {
            rows.Add(row);
            output.WriteLine(row.AsText());
            output.Flush();
        }

        return rows;
    }

    private List<GpuBenchRow> RunSteps(TextWriter output)
    {
        using var progress = new ProgressBar("loading");
        var slots = plan.Batches.Max();
        var sizes = new BackendSizes(slots, PagePool.PagesFor(plan.KeyValueTokens), plan.MostRows, slots, Threads: 0);
        var (planned, text) = GpuPlacing.Of(model.Graph, GpuSizes.Of(sizes, cuda), cuda);
        output.WriteLine(text);
        using var measure = CudaMeasure.Load(model, planned, slots, plan.KeyValueTokens, plan.MostRows, progress);
        progress.Dispose();
        output.WriteLine(measure.DeviceName);
        foreach (var (gpu, weights, states, activations) in measure.Memory)
        {
            output.WriteLine($"GPU {gpu}: weights {weights / 1e9:0.0} GB, states {states / 1e9:0.0} GB, activations {activations / 1e9:0.0} GB");
        }

        List<GpuBenchRow> rows = [];
        void Add(GpuBenchRow row)
        {
            rows.Add(row);
            output.WriteLine(row.AsText());
            output.Flush();
        }

        foreach (var batch in plan.Batches)
        {
            var times = measure.Decode(batch, plan.Context, plan.Steps, cancellationToken);
            Add(Decoded(measure, $"decode, batch {batch}, context {plan.Context}", batch, times));
        }

        if (plan.CheckpointEvery > 0)
        {
            var batch = plan.Batches.Max();
            var times = measure.DecodeWithCheckpoints(batch, plan.Context, plan.Steps, plan.CheckpointEvery, cancellationToken);
            Add(Decoded(measure, $"decode, batch {batch}, context {plan.Context}, a checkpoint in {plan.CheckpointEvery} tokens", batch, times));
        }

        foreach (var prompt in plan.Prompts)
        {
            Add(Prefilled(measure, prompt));
        }

        Add(Imported(measure));
        foreach (var exchange in measure.Exchanges([.. plan.Batches, plan.MostRows]))
        {
            Add(Exchanged(exchange));
        }

        output.WriteLine($"graphs: {measure.GraphCounts.Captures} captured, {measure.GraphCounts.Updates} updates");
        return rows;
    }

    private GpuBenchRow Decoded(CudaMeasure measure, string name, int batch, TimeSpan[] times)
    {
        var (median, low, high) = Spread(times);
        var turns = Math.Min(measure.Overlap.Turns, batch);
        var limit = StepBytes.SecondsOfDecode(model.Graph, measure.Plan, cuda.ExpertType, batch, turns, plan.Context, plan.BytesPerSecond);
        name += (turns > 1 ? $", in {turns} turns" : "") + (measure.Overlap.IsAhead ? "" : ", each step waited for");
        return new GpuBenchRow(name, batch / median, batch / high, batch / low, limit / median);
    }

    private GpuBenchRow Prefilled(CudaMeasure measure, int prompt)
    {
        const int Runs = 3;
        measure.Prefill(Math.Min(prompt, plan.MostRows), cancellationToken);
        var (median, low, high) = Spread([.. Enumerable.Range(0, Runs).Select(_ => measure.Prefill(prompt, cancellationToken))]);
        var limit = StepBytes.SecondsOfPrompt(model.Graph, measure.Plan, prompt, plan.OperationsPerSecond);
        return new GpuBenchRow($"prefill of {prompt}", prompt / median, prompt / high, prompt / low, limit / median);
    }

    private GpuBenchRow Imported(CudaMeasure measure)
    {
        const int Runs = 5;
        measure.Import(plan.Context);
        var (median, low, high) = Spread([.. Enumerable.Range(0, Runs).Select(_ => measure.Import(plan.Context))]);
        return new GpuBenchRow($"import of a state of {plan.Context} tokens: {median * 1e3:0.0} ms", 1 / median, 1 / high, 1 / low, double.NaN);
    }

    private static GpuBenchRow Exchanged(ExchangeTimes times)
    {
        var name = $"sums of {times.Rows} rows over the GPUs, twice a layer: {times.Exchange.TotalMicroseconds:0.0} us each; peer copies: {times.Copies.TotalMicroseconds:0.0} us";
        return new GpuBenchRow(name, 1 / times.Exchange.TotalSeconds, double.NaN, double.NaN, times.Copies / times.Exchange);
    }

    /// <summary>In seconds: median, and one in twenty below and above.</summary>
    private static (double Median, double Low, double High) Spread(TimeSpan[] times)
    {
        var sorted = times.Select(time => time.TotalSeconds).Order().ToArray();
        double At(double share) => sorted[(int)Math.Round(share * (sorted.Length - 1))];
        return (At(0.5), At(0.05), At(0.95));
    }
}

/// <summary>What is measured, and against which limits.</summary>
internal sealed record GpuBenchPlan
{
    public required IReadOnlyList<int> Batches { get; init; }

    /// <summary>Tokens of each sequence before it decodes.</summary>
    public required int Context { get; init; }

    public required int Steps { get; init; }

    public required IReadOnlyList<int> Prompts { get; init; }

    /// <summary>Of a step.</summary>
    public required int MostRows { get; init; }

    /// <summary>Tokens between two checkpoints of a sequence; 0: it is not measured.</summary>
    public required int CheckpointEvery { get; init; }

    /// <summary>Sequences that are measured through the step loop as well.</summary>
    public required IReadOnlyList<int> LoopBatches { get; init; }

    /// <summary>Tokens that each of them generates.</summary>
    public int LoopTokens => Math.Max(Steps, 32);

    /// <summary>Of the GPU's memory.</summary>
    public required double BytesPerSecond { get; init; }

    /// <summary>Of its matrix products in bf16.</summary>
    public required double OperationsPerSecond { get; init; }

    /// <summary>Of all sequences together, with the steps that are timed.</summary>
    public int KeyValueTokens => Math.Max(Batches.Max() * (Context + Steps + 128), Prompts.DefaultIfEmpty().Max() + 64);
}

/// <param name="Name">Of the measurement.</param>
/// <param name="TokensPerSecond">Of the median step.</param>
/// <param name="Low">Of a slow one.</param>
/// <param name="High">Of a fast one.</param>
/// <param name="Share">Of the limit.</param>
internal sealed record GpuBenchRow(string Name, double TokensPerSecond, double Low, double High, double Share)
{
    private string Spread => double.IsNaN(Low) ? "" : $"({Low:0.0} to {High:0.0})";

    public string AsText() => $"{Name,-64} {TokensPerSecond,10:0.0} /s {Spread}  {(double.IsNaN(Share) ? "" : $"{Share:0.0%} of the limit")}";

    public string AsMarkdown() => $"| {Name} | {TokensPerSecond:0.0} {Spread} | {(double.IsNaN(Share) ? "" : $"{Share:0.0%}")} |";
}
