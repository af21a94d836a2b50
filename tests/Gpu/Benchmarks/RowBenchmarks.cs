using Loire.Cuda;
using Loire.Kernels;

namespace Loire.Gpu.Tests.Benchmarks;

/// <summary>Residual of two expert outputs and the norm after it, at the width of MiniMax-Text-01.</summary>
public sealed class AddNormBenchmark : KernelBenchmark
{
    private const int Hidden = 6144;

    public override string Name => "addnorm";

    public override IEnumerable<BenchmarkCase> Cases(Gpu gpu)
    {
        foreach (var rows in (int[])[1, 64, 256, 8192])
        {
            var stream = RandomWeights.MakeFloats(gpu, (long)rows * Hidden);
            var terms = RandomWeights.MakeFloats(gpu, 2L * rows * Hidden);
            var weights = gpu.Upload(Numbers.Uniform(3, 2L * rows));
            var norm = gpu.Upload(Numbers.Uniform(4, Hidden));
            var x = gpu.Poisoned<BFloat16>(rows, Hidden);
            var kernel = new AddNorm(gpu.Module("AddNorm", ElementType.BFloat16));
            var input = NormInput.OfResidual(stream.Address, 0.5f, terms.Address, 0.5f) with { Choices = 2, TermWeights = weights.Address };
            var output = new NormOutput { Rows = rows, X = x.Address, Normed = stream.Address };
            yield return new BenchmarkCase($"{rows} x {Hidden}, 2 terms", (work, _) => kernel.Enqueue(work, input, norm.Vector, 1e-5f, output), stream, terms, weights, norm, x)
            {
                Bytes = (long)rows * Hidden * (4 + 8 + 2 + 4),
            };
        }
    }
}

/// <summary>The choice of experts of MiniMax-Text-01, and their grouping; as a step has it, they are counted as well.</summary>
public sealed class RouterBenchmark : KernelBenchmark
{
    private const int Hidden = 6144;
    private const int Experts = 32;
    private const int TopK = 2;

    public override string Name => "router";

    public override IEnumerable<BenchmarkCase> Cases(Gpu gpu)
    {
        foreach (var rows in (int[])[1, 64, 256, 8192])
        {
            var x = RandomWeights.MakeFloats(gpu, (long)rows * Hidden);
            var weights = RandomWeights.Make(gpu, (long)Experts * Hidden);
            var chosen = gpu.Poisoned<int>(rows, TopK);
            var chosenWeights = gpu.Poisoned<float>(rows, TopK);
            var offsets = gpu.Poisoned<int>(1, Experts + 1);
            var order = gpu.Poisoned<int>(1, rows * TopK);
            var numbers = gpu.Upload(Enumerable.Range(0, rows).ToArray());
            var counts = gpu.Upload(new long[Experts]);
            var workspace = new StreamWorkspace(gpu.Device, gpu.Stream);
            var router = new Router(gpu.Module("Router", ElementType.BFloat16), workspace);
            var groups = new ExpertGroups(offsets.Vector, order.Vector);
            var choice = new RouterChoice(chosen.Matrix, chosenWeights.Matrix);
            var load = new ExpertLoad(counts.Vector, numbers.Vector, numbers.Vector, SpareSlot: rows);
            var bytes = ((long)rows * Hidden * 4) + (2L * Experts * Hidden);
            yield return new BenchmarkCase(
                $"{rows} x {Hidden}, {TopK} of {Experts}, chosen and grouped",
                (stream, _) => router.Route(stream, x.AsVector<float>().AsMatrix(rows, Hidden), weights.Address, default, choice, groups))
            {
                Bytes = bytes,
            };
            yield return new BenchmarkCase(
                $"{rows} x {Hidden}, {TopK} of {Experts}, chosen, grouped and counted",
                (stream, _) => router.Route(stream, x.AsVector<float>().AsMatrix(rows, Hidden), weights.Address, default, choice, groups, load),
                x, weights, chosen, chosenWeights, offsets, order, numbers, counts, workspace)
            {
                Bytes = bytes,
            };
        }
    }
}

/// <summary>Greedy choice over the vocabulary of MiniMax-Text-01.</summary>
public sealed class GreedySamplingBenchmark : KernelBenchmark
{
    private const int Vocabulary = 200_064;

    public override string Name => "sampling";

    public override IEnumerable<BenchmarkCase> Cases(Gpu gpu)
    {
        foreach (var rows in (int[])[1, 64, 256])
        {
            var logits = RandomWeights.MakeFloats(gpu, (long)rows * Vocabulary);
            var tokens = gpu.Poisoned<int>(1, rows);
            var logProbs = gpu.Poisoned<float>(1, rows);
            var workspace = gpu.Poisoned<byte>(1, GreedySampling.WorkspaceBytes(rows));
            var kernel = new GreedySampling(gpu.Module("Sampling", ElementType.BFloat16));
            var candidates = gpu.Poisoned<int>(rows, TopCandidates.MostCount);
            var best = gpu.Poisoned<float>(rows, TopCandidates.MostCount);
            var candidateSpace = gpu.Poisoned<byte>(1, TopCandidates.WorkspaceBytes(rows, Vocabulary, TopCandidates.MostCount));
            var top = new TopCandidates(gpu.Module("TopCandidates", ElementType.BFloat16));
            yield return new BenchmarkCase(
                $"{rows} x {Vocabulary}, the best {TopCandidates.MostCount}",
                (stream, _) => top.Enqueue(stream, logits.AsVector<float>().AsMatrix(rows, Vocabulary), candidates.Matrix, best.Matrix, candidateSpace.Vector),
                candidates, best, candidateSpace)
            {
                Bytes = 4L * rows * Vocabulary,
            };
            yield return new BenchmarkCase($"{rows} x {Vocabulary}, greedy", (stream, _) => kernel.Enqueue(stream, logits.AsVector<float>().AsMatrix(rows, Vocabulary), tokens.Vector, logProbs.Vector, workspace.Vector), logits, tokens, logProbs, workspace)
            {
                Bytes = 4L * rows * Vocabulary,
            };
        }
    }
}
