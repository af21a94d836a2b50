using System.Runtime.InteropServices;
using Loire.Cuda;

namespace Loire.Kernels;

/// <summary>The greatest logit of each row, the lowest token among equals, and its log-probability: <c>x_max − ln Σ e^x</c>.</summary>
/// <remarks>
/// <para>A row is cut into parts so that one row alone keeps many multiprocessors busy; the parts are joined in a fixed order, and a row's bits do not depend on its batch.</para>
/// <para>NaN is never the greatest, but the log-probability of a row that has one is NaN; so is that of a row with +∞. A row without a number above −∞ gives token 0 and a log-probability of NaN.</para>
/// <para>The maximum of a row is the logit of its token; −∞ where all are −∞, and NaN where none is above −∞ and some are NaN: <see cref="GreedyParts"/> joins the rows of several such vocabularies by it.</para>
/// <para>Cost: reads each logit once, <c>4 · rows · vocabulary</c> bytes; bound by memory. Meaning: <see cref="GreedySamplingReference"/>.</para>
/// </remarks>
/// <param name="module">Compiled from <c>Sampling.cu</c>.</param>
public sealed class GreedySampling(CudaModule module)
{
    private const int Threads = 256;
    private const int MostParts = 32; // one for each lane of the warp that joins them
    private const int LeastOfPart = 1024;

    private readonly CudaFunction<Parameters> _parts = module.Function<Parameters>("greatest_of_parts");
    private readonly CudaFunction<Parameters> _rows = module.Function<Parameters>("greatest_of_row");

    /// <summary>Bytes that <see cref="Enqueue"/> needs to work in.</summary>
    public static long WorkspaceBytes(int rows) => (long)rows * MostParts * (sizeof(float) + sizeof(float) + sizeof(int));

    /// <param name="stream">To run on.</param>
    /// <param name="logits"><c>[rows, vocabulary]</c></param>
    /// <param name="tokens"><c>[rows]</c></param>
    /// <param name="logProbs"><c>[rows]</c></param>
    /// <param name="workspace">Of <see cref="WorkspaceBytes"/>.</param>
    /// <param name="maxima"><c>[rows]</c>; none: they are not wanted.</param>
    public void Enqueue(CudaStream stream, DeviceMatrix<float> logits, DeviceVector<int> tokens, DeviceVector<float> logProbs, DeviceVector<byte> workspace, DeviceVector<float> maxima = default)
    {
        var rows = checked((int)logits.Rows);
        if (maxima.Address != 0 && maxima.Length < rows)
        {
            throw new ArgumentException($"{rows} rows: room for {maxima.Length} maxima.", nameof(maxima));
        }

        if (tokens.Length < rows || logProbs.Length < rows || workspace.Length < WorkspaceBytes(rows))
        {
            throw new ArgumentException($"{rows} rows: room for {tokens.Length} tokens and {logProbs.Length} log-probabilities, and {workspace.Length} bytes to work in of {WorkspaceBytes(rows)}.");
        }

        if (rows == 0)
        {
            return;
        }

        var parts = PartsOf(checked((int)logits.Columns));
        var bytesOfOne = (ulong)rows * MostParts * sizeof(float);
        var parameters = new Parameters(
            logits.Address, workspace.Address, workspace.Address + bytesOfOne, workspace.Address + (2 * bytesOfOne), tokens.Address, logProbs.Address, maxima.Address,
            rows, checked((int)logits.Columns), parts);
        _parts.Launch(stream, new LaunchGrid(parts, rows, 1, Threads, 0, Launches.AreProgrammatic), parameters);
        _rows.Launch(stream, new LaunchGrid(rows, 1, 1, 32, 0, Launches.AreProgrammatic), parameters);
    }

    /// <summary>By the vocabulary alone, so that a row's bits do not depend on its batch.</summary>
    internal static int PartsOf(int vocabulary) => Math.Clamp(vocabulary / LeastOfPart, 1, MostParts);

    /// <summary>Field for field the <c>SamplingParameters</c> of Sampling.cu.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public readonly record struct Parameters(
        ulong Logits, ulong Maxima, ulong Sums, ulong Indices, ulong Tokens, ulong LogProbs, ulong RowMaxima, int Rows, int Vocabulary, int Parts);
}

/// <summary>What <see cref="GreedySampling"/> means, one row in double precision.</summary>
public static class GreedySamplingReference
{
    public static (int Token, float LogProb) Choose(ReadOnlySpan<float> logits)
    {
        var (token, max) = Greatest(logits);
        var sum = 0.0;
        foreach (var logit in logits)
        {
            sum += Math.Exp((double)logit - max);
        }

        return (token, (float)-Math.Log(sum));
    }

    /// <summary>The third output.</summary>
    public static float Max(ReadOnlySpan<float> logits) => Greatest(logits).Max;

    private static (int Token, float Max) Greatest(ReadOnlySpan<float> logits)
    {
        var token = 0;
        var max = float.NegativeInfinity;
        var isNumber = true;
        for (var i = 0; i < logits.Length; i++)
        {
            (token, max) = logits[i] > max ? (i, logits[i]) : (token, max);
            isNumber &= !float.IsNaN(logits[i]);
        }

        return (token, isNumber || max > float.NegativeInfinity ? max : float.NaN);
    }
}
