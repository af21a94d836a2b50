using System.Runtime.InteropServices;
using Loire.Cuda;
using Loire.Kernels;

namespace Loire.Gpu.Tests.Benchmarks;

/// <summary>Draws from whole rows of the vocabulary of MiniMax-Text-01 whose logits are spread out, through each filter and none, and what decided rows cost.</summary>
public sealed class RowDrawBenchmark : KernelBenchmark
{
    private const int Vocabulary = 200_064;
    private const int NotDecided = -1;

    public override string Name => "rowdraw";

    public override IEnumerable<BenchmarkCase> Cases(Gpu gpu)
    {
        foreach (var rows in new[] { 1, 256 })
        {
            yield return Case(gpu, rows, "no filter", 0, 1, 0);
            yield return Case(gpu, rows, "min-p 0.05", 0, 1, 0.05f);
            yield return Case(gpu, rows, "top-p 0.95", 0, 0.95f, 0);
            yield return Case(gpu, rows, "top-k 1000", 1000, 1, 0);
            yield return Case(gpu, rows, "top-k 1000, top-p 0.95", 1000, 0.95f, 0);
        }

        yield return Case(gpu, 256, "decided", 0, 1, 0, chosenBefore: 5);
    }

    private static BenchmarkCase Case(Gpu gpu, int rows, string shape, int topK, float topP, float minP, int chosenBefore = NotDecided)
    {
        var kernel = new RowDraw(gpu.Module("RowDraw", ElementType.BFloat16));
        var row = Numbers.Normal(1, Vocabulary, 2.5);
        RowChoice[] draws = [.. Numbers.Uniform(2, rows).Select(uniform => RowChoice.Draw(1, topK, topP, minP, uniform, [2]))];
        var logits = gpu.Upload([.. Enumerable.Repeat(row, rows).SelectMany(number => number)], rows, Vocabulary);
        var choices = gpu.Upload(MemoryMarshal.Cast<RowChoice, int>(draws.AsSpan()).ToArray());
        var logProbs = gpu.Upload(Enumerable.Repeat(-0.6f, rows).ToArray());
        var maxima = gpu.Upload(Enumerable.Repeat(row.Max(), rows).ToArray());
        var chosen = gpu.Upload(Enumerable.Repeat(chosenBefore, rows).ToArray());
        var carried = gpu.Poisoned<int>(1, rows);
        DrawPart[] parts = [new DrawPart(logits.Matrix, logProbs.Vector, maxima.Vector, 0)];
        return new BenchmarkCase($"{rows} x {Vocabulary} {shape}", Enqueue, logits, choices, logProbs, maxima, chosen, carried)
        {
            Bytes = 4L * rows * (RowChoice.Length + (chosenBefore == NotDecided ? Vocabulary : 0) + 2),
        };

        void Enqueue(CudaStream stream, int repetition)
        {
            stream.Fill(chosen.Vector, chosenBefore); // the draw before has decided
            kernel.Enqueue(stream, choices.Vector, parts, rows, Vocabulary, chosen.Vector, carried.Vector);
        }
    }
}
