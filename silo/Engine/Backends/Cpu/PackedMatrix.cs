using Loire.Engine.Backends.Cpu.Kernels;
using Loire.Engine.Weights;

namespace Loire.Engine.Backends.Cpu;

/// <summary>A weight matrix <c>[outputs, depth]</c> laid out for <see cref="TileKernel"/>: panels of 64 outputs, depth by depth.</summary>
/// <remarks>
/// <code>
/// bf16: panel p = depth/2 rows of 64 words; word j of row i = W[64p + j, 2i] | W[64p + j, 2i + 1] &lt;&lt; 16
/// fp32: panel p = depth rows of 64 floats; float j of row i = W[64p + j, i]
/// </code>
/// Outputs beyond the matrix are zero. One panel is read from its first byte to its last, so the prefetcher follows.
/// </remarks>
internal sealed unsafe class PackedMatrix : IDisposable
{
    private readonly CpuBuffer<byte> _bytes;
    private readonly nint _panelBytes;

    private PackedMatrix(int outputs, int depth, bool isBFloat16)
    {
        Outputs = outputs;
        Depth = depth;
        IsBFloat16 = isBFloat16;
        _panelBytes = (nint)depth * TileKernel.MaxColumns * (isBFloat16 ? sizeof(ushort) : sizeof(float));
        _bytes = new CpuBuffer<byte>(_panelBytes * PanelCount);
    }

    public int Outputs { get; }

    public int Depth { get; }

    public bool IsBFloat16 { get; }

    public int PanelCount => (Outputs + TileKernel.MaxColumns - 1) / TileKernel.MaxColumns;

    public long Bytes => _bytes.Bytes;

    /// <summary>Packs whole tensors, one below the other: their outputs follow each other.</summary>
    public static PackedMatrix Stack(int depth, params ReadOnlySpan<TensorView> tensors)
    {
        var outputs = 0;
        var sameType = true;
        foreach (var tensor in tensors)
        {
            outputs += checked((int)tensor.Shape[0]);
            sameType &= tensor.Type == TensorType.BF16;
        }

        var packed = new PackedMatrix(outputs, depth, sameType && depth % 2 == 0);
        var output = 0;
        foreach (var tensor in tensors)
        {
            packed.Fill(tensor, (int)tensor.Shape[0], row => output + row);
            output += (int)tensor.Shape[0];
        }

        return packed;
    }

    /// <summary>Packs the gate and up matrices of a gated feed-forward side by side: panel p holds 32 outputs of gate, then the same 32 of up.</summary>
    public static PackedMatrix Gated(int depth, TensorView gate, TensorView up)
    {
        const int Half = TileKernel.MaxColumns / 2;
        var width = checked((int)gate.Shape[0]);
        var panels = (width + Half - 1) / Half;
        var bf16 = gate.Type == TensorType.BF16 && up.Type == TensorType.BF16 && depth % 2 == 0;
        var packed = new PackedMatrix(panels * TileKernel.MaxColumns, depth, bf16);
        packed.Fill(gate, width, row => ((row / Half) * TileKernel.MaxColumns) + (row % Half));
        packed.Fill(up, width, row => ((row / Half) * TileKernel.MaxColumns) + Half + (row % Half));
        return packed;
    }

    public byte* Panel(int index) => _bytes.Pointer + (index * _panelBytes);

    public void Dispose() => _bytes.Dispose();

    private void Fill(TensorView tensor, int rows, Func<int, int> outputOf)
    {
        var values = new float[Depth];
        for (var row = 0; row < rows; row++)
        {
            tensor.CopyTo((long)row * Depth, values);
            var output = outputOf(row);
            var lane = output % TileKernel.MaxColumns;
            var panel = Panel(output / TileKernel.MaxColumns);
            if (IsBFloat16)
            {
                var words = (ushort*)panel;
                for (var k = 0; k < Depth; k++)
                {
                    // Exact: the values come from bf16, so their low halves are zero.
                    words[((((k / 2) * TileKernel.MaxColumns) + lane) * 2) + (k % 2)] = (ushort)(BitConverter.SingleToUInt32Bits(values[k]) >> 16);
                }
            }
            else
            {
                var floats = (float*)panel;
                for (var k = 0; k < Depth; k++)
                {
                    floats[(k * TileKernel.MaxColumns) + lane] = values[k];
                }
            }
        }
    }
}
