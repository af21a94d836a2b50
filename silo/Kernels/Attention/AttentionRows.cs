using System.Runtime.InteropServices;
using Loire.Cuda;

namespace Loire.Kernels;

/// <summary><see cref="Attention"/> of any shape, one row and head a block: the path of correctness.</summary>
/// <remarks>A row's bits do not depend on its batch. Cost: each row reads all its keys and values for each head; bound by latency.</remarks>
internal sealed class AttentionRows
{
    private const int Threads = 128;
    private const int MostRowsOfGrid = 65_535;

    private readonly CudaFunction<Parameters> _function;
    private readonly AttentionShape _shape;

    public AttentionRows(CudaModule module, in AttentionShape shape)
    {
        shape.Check();
        _shape = shape;
        _function = module.Function<Parameters>("attention_rows");
    }

    public void Enqueue(CudaStream stream, in StepInputs step, in AttentionOperands operands)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(step.Rows, MostRowsOfGrid);
        _function.Launch(stream, new LaunchGrid(_shape.Heads, step.Rows, 1, Threads, Programmatic: Launches.AreProgrammatic), new Parameters(
            operands.Queries.Address, operands.Layer.Keys, operands.Layer.Values, operands.Output,
            step.Positions.Address, step.SequenceOfRow.Address, step.PageTable.Address,
            operands.Queries.Stride, step.PageTable.Columns, _shape.Heads, _shape.KeyValueHeads, _shape.HeadDim, _shape.Scale));
    }

    /// <summary>Field for field the <c>AttentionRowsParameters</c> of AttentionRows.cu.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public readonly record struct Parameters(
        ulong Queries, ulong Keys, ulong Values, ulong Output, ulong Positions, ulong SequenceOfRow, ulong PageTable,
        long QueryStride, long PageStride, int Heads, int KeyValueHeads, int HeadDim, float Scale);
}
