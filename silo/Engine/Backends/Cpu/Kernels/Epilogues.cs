using System.Runtime.Intrinsics;

namespace Loire.Engine.Backends.Cpu.Kernels;

/// <summary>What becomes of 64 sums of one row while they are in the first-level cache.</summary>
internal unsafe interface IEpilogue
{
    /// <param name="tile">64 sums; those beyond the matrix are zero.</param>
    /// <param name="row">Of the product.</param>
    /// <param name="column">Output of the first sum.</param>
    void Store(float* tile, int row, int column);
}

/// <summary>Copies to <c>target[row, column...]</c>.</summary>
/// <param name="target">First element.</param>
/// <param name="stride">Floats from row to row.</param>
/// <param name="columns">Outputs of the matrix.</param>
internal readonly unsafe struct Copy(float* target, int stride, int columns) : IEpilogue
{
    public void Store(float* tile, int row, int column) =>
        new ReadOnlySpan<float>(tile, Math.Min(TileKernel.MaxColumns, columns - column))
            .CopyTo(new Span<float>(target + ((long)row * stride) + column, TileKernel.MaxColumns));
}

/// <summary><c>target[row, c] = silu(gate) · up</c>, from a panel of 32 gate and 32 up sums.</summary>
/// <param name="target">First element.</param>
/// <param name="width">Outputs of gate.</param>
/// <param name="stride">Floats from row to row.</param>
internal readonly unsafe struct GatedActivation(float* target, int width, int stride) : IEpilogue
{
    private const int Half = TileKernel.MaxColumns / 2;

    public void Store(float* tile, int row, int column)
    {
        var first = column / 2;
        var to = target + ((long)row * stride) + first;
        for (var i = 0; i < Math.Min(Half, width - first); i += TileKernel.Lanes)
        {
            (VectorMath.Silu(Vector512.Load(tile + i)) * Vector512.Load(tile + Half + i)).Store(to + i);
        }
    }
}
