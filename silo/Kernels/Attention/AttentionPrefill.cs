using System.Runtime.InteropServices;
using Loire.Cuda;

namespace Loire.Kernels;

/// <summary>Kernels for <see cref="AttentionPrefill"/>.</summary>
public enum PrefillPath
{
    /// <summary>Products of a warp: any GPU since 8.0.</summary>
    Warps,

    /// <summary>Products of a warpgroup: compute capability 9.0, 128 channels.</summary>
    Groups,
}

/// <summary><see cref="Attention"/> of sequences with more than one row, in bf16 with 64 or 128 channels: tiles of rows against pages, the scores never in memory.</summary>
/// <remarks>
/// <para>Each row sees the pages up to its own position, in order. Tiles begin at the step's first row of a sequence, and a page is computed in the same order for all of
/// them: a row's bits do not depend on its batch, nor on where its prompt was cut.</para>
/// <para>Cost: <c>4 · heads · headDim</c> operations for each row and token that it sees; bound by the tensor cores.</para>
/// <para>Source: Dao 2023, arXiv:2307.08691.</para>
/// </remarks>
internal sealed class AttentionPrefill
{
    private const int RowsOfTile = 128;
    private const int WarpThreads = 128;
    private const int WarpPages = 4; // keys and values of two
    private const int GroupThreads = 256;
    private const int GroupPages = 5; // keys of two, values of three
    private const int GroupAlignment = 1024;

    private readonly CudaFunction<Parameters> _function;
    private readonly AttentionShape _shape;
    private readonly int _threads;
    private readonly int _sharedBytes;

    /// <param name="modules">Compiled sources by name.</param>
    /// <param name="shape">Of 64 or 128 channels.</param>
    /// <param name="path">Which kernel.</param>
    public AttentionPrefill(Func<string, CudaModule> modules, in AttentionShape shape, PrefillPath path)
    {
        shape.Check();
        _shape = shape;
        var isGrouped = path is PrefillPath.Groups;
        _threads = isGrouped ? GroupThreads : WarpThreads;
        _sharedBytes = SharedBytes(shape.HeadDim, path);
        _function = isGrouped
            ? modules("AttentionPrefillGroups").Function<Parameters>("attention_prefill_groups_128", _sharedBytes)
            : modules(nameof(AttentionPrefill)).Function<Parameters>($"attention_prefill_{shape.HeadDim}", _sharedBytes);
    }

    /// <summary>Queries of a tile, and pages of keys and values.</summary>
    internal static int SharedBytes(int headDim, PrefillPath path) => path is PrefillPath.Groups
        ? GroupAlignment + ((RowsOfTile + (GroupPages * PagedLayer.PageTokens)) * headDim * sizeof(ushort))
        : (RowsOfTile + (WarpPages * PagedLayer.PageTokens)) * headDim * sizeof(ushort);

    public void Enqueue(CudaStream stream, in StepInputs step, in AttentionOperands operands)
    {
        if (operands.Queries.Stride % 8 != 0 || operands.Queries.Address % 16 != 0)
        {
            throw new ArgumentException($"Rows of queries have to be 16-byte aligned: they begin at {operands.Queries.Address:x} and are {operands.Queries.Stride} elements apart.");
        }

        _function.Launch(stream, new LaunchGrid(_shape.Heads, MostTiles(step.Rows, step.Sequences), 1, _threads, _sharedBytes, Launches.AreProgrammatic), new Parameters(
            operands.Queries.Address, operands.Layer.Keys, operands.Layer.Values, operands.Output,
            step.Positions.Address, step.FirstRow.Address, step.RowCount.Address, step.PageTable.Address,
            operands.Queries.Stride, step.PageTable.Columns, _shape.Heads, _shape.KeyValueHeads, step.Sequences, _shape.ScaleLog2));
    }

    /// <summary>The host does not know how long each sequence is, but that each ends in at most one tile that is not full.</summary>
    internal static int MostTiles(int rows, int sequences) => (rows / RowsOfTile) + Math.Min(rows, sequences);

    /// <summary>Field for field the <c>AttentionPrefillParameters</c> of AttentionPrefill.cu.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public readonly record struct Parameters(
        ulong Queries, ulong Keys, ulong Values, ulong Output, ulong Positions, ulong FirstRow, ulong RowCount, ulong PageTable,
        long QueryStride, long PageStride, int Heads, int KeyValueHeads, int Sequences, float Scale);
}
