using System.Runtime.InteropServices;
using Loire.Cuda;

namespace Loire.Kernels;

/// <summary>The greatest logits of each row and their tokens, best first, the lower token first among equals: what a sampler needs of them, without a row of the whole vocabulary crossing to the host.</summary>
/// <remarks>
/// <para>A row with fewer numbers than are asked for ends with tokens of −1. The normaliser of a row is its best logit less the log-probability of <see cref="GreedySampling"/>.</para>
/// <para>The threshold is found by digits of the floats' bits, in each part of a row, then among the parts' candidates. A row's result does not depend on its batch.</para>
/// <para>Cost: reads each logit twice, the second time from the cache. Meaning: <see cref="TopCandidatesReference"/>.</para>
/// </remarks>
/// <param name="module">Compiled from <c>TopCandidates.cu</c>.</param>
public sealed class TopCandidates(CudaModule module)
{
    /// <summary>Candidates of a row.</summary>
    public const int MostCount = 64;

    private const int Threads = 256;
    private const int LongestPart = 8192; // 32 KiB of shared memory
    private const int LeastOfPart = 2048;
    private const int FewestParts = 32;

    private readonly CudaFunction<Parameters> _parts = module.Function<Parameters>("top_of_parts");
    private readonly CudaFunction<Parameters> _rows = module.Function<Parameters>("top_of_row", module.Device.SharedMemoryPerBlock - Reserved);

    /// <summary>Static shared memory of the kernels, at most.</summary>
    private const int Reserved = 4096;

    /// <summary>Bytes that <see cref="Enqueue"/> needs to work in.</summary>
    public static long WorkspaceBytes(int rows, int vocabulary, int count) => (long)rows * PartsOf(vocabulary) * count * (sizeof(float) + sizeof(int));

    /// <param name="stream">To run on.</param>
    /// <param name="logits"><c>[rows, vocabulary]</c></param>
    /// <param name="tokens"><c>[rows, count]</c></param>
    /// <param name="best"><c>[rows, count]</c>: their logits.</param>
    /// <param name="workspace">Of <see cref="WorkspaceBytes"/>.</param>
    public void Enqueue(CudaStream stream, DeviceMatrix<float> logits, DeviceMatrix<int> tokens, DeviceMatrix<float> best, DeviceVector<byte> workspace)
    {
        var (rows, vocabulary, count) = (checked((int)logits.Rows), checked((int)logits.Columns), checked((int)tokens.Columns));
        if (count is < 1 or > MostCount || tokens.Rows < rows || best.Rows < rows || best.Columns != count || workspace.Length < WorkspaceBytes(rows, vocabulary, count))
        {
            throw new ArgumentException($"{count} candidates of {rows} rows: room for tokens [{tokens.Rows}, {count}] and logits [{best.Rows}, {best.Columns}], and {workspace.Length} bytes to work in of {WorkspaceBytes(rows, vocabulary, count)}; at most {MostCount} candidates.");
        }

        if (rows == 0)
        {
            return;
        }

        var parts = PartsOf(vocabulary);
        var candidates = (ulong)rows * (ulong)parts * (ulong)count;
        var parameters = new Parameters(logits.Address, workspace.Address, workspace.Address + (candidates * sizeof(float)), best.Address, tokens.Address, rows, vocabulary, parts, count);
        _parts.Launch(stream, new LaunchGrid(parts, rows, 1, Threads, (vocabulary + parts - 1) / parts * sizeof(uint), Launches.AreProgrammatic), parameters);
        _rows.Launch(stream, new LaunchGrid(rows, 1, 1, Threads, parts * count * sizeof(uint), Launches.AreProgrammatic), parameters);
    }

    /// <summary>By the vocabulary alone; no part is longer than shared memory holds.</summary>
    internal static int PartsOf(int vocabulary) => Math.Max((vocabulary + LongestPart - 1) / LongestPart, Math.Clamp(vocabulary / LeastOfPart, 1, FewestParts));

    /// <summary>Field for field the <c>TopParameters</c> of TopCandidates.cu.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public readonly record struct Parameters(
        ulong Logits, ulong PartLogits, ulong PartTokens, ulong BestLogits, ulong BestTokens, int Rows, int Vocabulary, int Parts, int Count);
}

/// <summary>What <see cref="TopCandidates"/> means, for one row without NaN.</summary>
public static class TopCandidatesReference
{
    public static (int Token, float Logit)[] Choose(float[] logits, int count)
    {
        var best = Enumerable.Range(0, logits.Length).OrderByDescending(token => logits[token]).Take(count).Select(token => (token, logits[token])); // stable: the lower token first
        return [.. best.Concat(Enumerable.Repeat((-1, float.NegativeInfinity), Math.Max(0, count - logits.Length)))];
    }
}
