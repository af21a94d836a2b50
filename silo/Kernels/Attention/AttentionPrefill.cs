using System.Runtime.InteropServices;
using Loire.Cuda;

namespace Loire.Kernels;

/// <summary><see cref="Attention"/> of sequences with more than one row, in bf16 with 64 or 128 channels: tiles of rows against pages, the scores never in memory.</summary>
/// <remarks>
/// <para>Each row sees the pages up to its own position, in order. Tiles begin at the step's first row of a sequence, and a page is computed in the same order for all of
/// them: a row's bits do not depend on its batch, nor on where its prompt was cut.</para>
/// <para>Cost: <c>4 · heads · headDim</c> operations for each row and token that it sees; bound by the tensor cores.</para>
/// <para>Source: Dao 2023, arXiv:2307.08691.</para>
/// </remarks>
internal sealed class AttentionPrefill
{
    private const int Threads = 128;
    private const int RowsOfTile = 128;
    private const int StagesOfPages = 2;

    private readonly CudaFunction<Parameters> _function;
    private readonly AttentionShape _shape;

    public AttentionPrefill(CudaModule module, in AttentionShape shape)
    {
        shape.Check();
        _shape = shape;
        _function = module.Function<Parameters>($"attention_prefill_{shape.HeadDim}", SharedBytes);
    }

    /// <summary>Queries of a tile, and keys and values of two pages.</summary>
    private int SharedBytes => (RowsOfTile + (StagesOfPages * 2 * PagedLayer.PageTokens)) * _shape.HeadDim * sizeof(ushort);

    public void Enqueue(CudaStream stream, in StepInputs step, in AttentionOperands operands)
    {
        if (operands.Queries.Stride % 8 != 0 || operands.Queries.Address % 16 != 0)
        {
            throw new ArgumentException($"Rows of queries have to be 16-byte aligned: they begin at {operands.Queries.Address:x} and are {operands.Queries.Stride} elements apart.");
        }

        _function.Launch(stream, new LaunchGrid(_shape.Heads, MostTiles(step.Rows, step.Sequences), 1, Threads, SharedBytes, Launches.AreProgrammatic), new Parameters(
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
