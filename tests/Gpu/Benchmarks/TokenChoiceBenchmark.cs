using System.Runtime.InteropServices;
using Loire.Kernels;

namespace Loire.Gpu.Tests.Benchmarks;

/// <summary>Draws from the best 64 of rows of the vocabulary of MiniMax-Text-01, whole or cut into parts.</summary>
public sealed class TokenChoiceBenchmark : KernelBenchmark
{
    private const int Vocabulary = 200_064;
    private const int Count = TopCandidates.MostCount;
    private const int WordsOfBest = 3; // token, log-probability, logit

    public override string Name => "tokenchoice";

    public override IEnumerable<BenchmarkCase> Cases(Gpu gpu)
    {
        foreach (var (rows, parts) in new[] { (1, 1), (64, 1), (512, 1), (1, 4), (512, 4), (512, 8) })
        {
            var kernel = new TokenChoice(gpu.Module("TokenChoice", ElementType.BFloat16));
            RowChoice[] draws = [.. Numbers.Uniform(1, rows).Select(uniform => RowChoice.Draw(1 / 0.7f, 0, 0.95f, 0, uniform, [2]))];
            var choices = gpu.Upload(MemoryMarshal.Cast<RowChoice, int>(draws.AsSpan()).ToArray());
            var tokens = gpu.Upload(Repeated(rows, i => (i * 769) % (Vocabulary / parts)));
            var logits = gpu.Upload(Repeated(rows, i => 20 - (2 * MathF.Log(i + 1))));
            var best = gpu.Upload(new int[rows]);
            var logProbs = gpu.Upload(Enumerable.Repeat(-0.6f, rows).ToArray()); // of all that falls so
            var maxima = gpu.Upload(Enumerable.Repeat(20f, rows).ToArray());
            var chosen = gpu.Poisoned<int>(1, rows);
            var carried = gpu.Poisoned<int>(1, rows);
            ChoicePart[] found =
            [
                .. Enumerable.Range(0, parts).Select(part => new ChoicePart(
                    best.Vector, logProbs.Vector, maxima.Vector, tokens.Vector.AsMatrix(rows, Count), logits.Vector.AsMatrix(rows, Count), part * (Vocabulary / parts))),
            ];
            yield return new BenchmarkCase(
                $"{rows} x {Vocabulary} in {parts}", (stream, _) => kernel.Enqueue(stream, choices.Vector, found, rows, Vocabulary, chosen.Vector, carried.Vector),
                choices, tokens, logits, best, logProbs, maxima, chosen, carried)
            {
                Bytes = 4L * rows * (RowChoice.Length + (parts * (WordsOfBest + (2 * Count))) + 2),
            };
        }
    }

    private static T[] Repeated<T>(int rows, Func<int, T> number) => [.. Enumerable.Range(0, rows * Count).Select(i => number(i % Count))];
}
