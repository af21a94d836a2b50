using Loire.Cuda;

namespace Loire.Kernels;

/// <summary>What lightning attention of one layer reads and writes.</summary>
/// <param name="Heads">At least 1.</param>
/// <param name="HeadDim">d, of keys and of values.</param>
/// <param name="Qkv">T, or fp32; columns from <c>3 d h</c> on are q | k | v of head h. Rows 16-byte aligned for the chunked kernel.</param>
/// <param name="State">fp32 <c>[slots, heads, d, d]</c>, [k, v] order.</param>
/// <param name="Slopes">fp32 <c>[heads]</c>, s.</param>
/// <param name="Decays">fp32 <c>[heads]</c>, <c>e^(−s)</c> rounded once, from double precision.</param>
/// <param name="Output">fp32 <c>[rows, heads · d]</c>.</param>
/// <param name="IsQkvFloat">fp32, whatever T is. For decode, where it costs next to nothing and saves a rounding: the chunked kernel takes T alone.</param>
public readonly record struct LightningOperands(
    int Heads, int HeadDim, ElementRows Qkv, DeviceVector<float> State, DeviceVector<float> Slopes, DeviceVector<float> Decays, DeviceMatrix<float> Output,
    bool IsQkvFloat = false)
{
    /// <exception cref="ArgumentException">The shapes disagree.</exception>
    internal void Check(int rows)
    {
        var width = (long)Heads * HeadDim;
        if (Qkv.Stride < 3 * width || Output.Columns != width || Output.Rows < rows || Decays.Length != Heads || Slopes.Length != Heads || State.Length % (width * HeadDim) != 0)
        {
            throw new ArgumentException(
                $"Lightning attention of {rows} rows, {Heads} heads of {HeadDim}: rows of q, k and v have {Qkv.Stride} elements (at least {3 * width}), "
                + $"the output is {Output.Rows} x {Output.Columns} ({width} wide), there are {Decays.Length} decays and {Slopes.Length} slopes, "
                + $"and {State.Length} numbers of state (a multiple of {width * HeadDim}).");
        }
    }
}
