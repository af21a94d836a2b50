using System.Runtime.InteropServices;
using Loire.Cuda;

namespace Loire.Kernels;

/// <summary>Lightning attention of sequences with more than one row in bf16 with d = 64 or 128, in chunks of 64 by matrix products.</summary>
/// <remarks>
/// <para>With m rows in a chunk, i and j inside it, S before it: <c>o_i = e^(−s(i+1)) q_iᵀS + Σ_{j≤i} e^(−s(i−j)) (q_i·k_j) v_j</c>, then
/// <c>S ← e^(−s m) S + Σ_j e^(−s(m−1−j)) k_j ⊗ v_j</c>. A chunk ends where the position is a multiple of 64, wherever a piece of a prompt begins.</para>
/// <para>q, k, v: T; o and S: fp32. What is made of the inputs goes into a product with 16 bits. A row's bits do not depend on its batch.</para>
/// <para>Cost: about <c>heads · d · (8 d + 4 · 64)</c> operations a row, the same at any length; at d = 128 a block has 32 columns of a head of a sequence.</para>
/// <para>Source: Qin et al. 2024, arXiv:2401.04658. Meaning: <see cref="LightningReference"/>.</para>
/// </remarks>
internal sealed class LightningChunks
{
    private const int Threads = 128;
    private const int Chunk = 64;
    private const int Columns = 32;

    private readonly CudaFunction<Parameters> _function;
    private readonly int _headDim;

    /// <param name="module">Compiled from <c>LightningChunks.cu</c>.</param>
    /// <param name="headDim">64 or 128.</param>
    public LightningChunks(CudaModule module, int headDim)
    {
        _headDim = headDim;
        _function = module.Function<Parameters>($"lightning_chunks_{headDim}", SharedBytes(headDim));
    }

    /// <summary>Of a block: two chunks of q, k and 32 columns of v; decayed values and the state in two parts each; a table of powers.</summary>
    internal static int SharedBytes(int headDim) =>
        (2 * sizeof(ushort) * Chunk * ((2 * headDim) + Columns)) + (2 * sizeof(ushort) * Columns * (Chunk + headDim)) + ((Chunk + 1) * sizeof(float));

    /// <summary>The kernel copies 16 bytes at a time.</summary>
    internal static bool Suits(ElementType type, int headDim, ElementRows qkv) =>
        type is ElementType.BFloat16 && headDim is 64 or 128 && qkv.Stride % 8 == 0 && qkv.Address % 16 == 0;

    public void Enqueue(CudaStream stream, in StepInputs step, in LightningOperands operands) =>
        _function.Launch(stream, new LaunchGrid(operands.Heads * (_headDim / Columns), step.Sequences, 1, Threads, SharedBytes(_headDim), Launches.AreProgrammatic), new Parameters(
            operands.Qkv.Address, operands.State.Address, operands.Output.Address, operands.Slopes.Address,
            step.Positions.Address, step.FirstRow.Address, step.RowCount.Address, step.Slot.Address, operands.Qkv.Stride, operands.Heads));

    /// <summary>Field for field the <c>LightningChunksParameters</c> of LightningChunks.cu.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public readonly record struct Parameters(
        ulong Qkv, ulong State, ulong Output, ulong Slopes, ulong Positions, ulong FirstRow, ulong RowCount, ulong Slot, long QkvStride, int Heads);
}
