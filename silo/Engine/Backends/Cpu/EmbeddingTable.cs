using System.Runtime.InteropServices;
using Loire.Engine.Weights;

namespace Loire.Engine.Backends.Cpu;

/// <summary>Token vectors <c>[vocabulary, hidden]</c>, kept in bf16 where the checkpoint has them so.</summary>
internal sealed unsafe class EmbeddingTable : IDisposable
{
    private readonly int _hidden;
    private readonly CpuBuffer<ushort>? _halves;
    private readonly CpuBuffer<float>? _floats;

    public EmbeddingTable(TensorView tensor)
    {
        _hidden = (int)tensor.Shape[1];
        if (tensor.Type == TensorType.BF16)
        {
            _halves = new CpuBuffer<ushort>(tensor.Count);
            NativeMemory.Copy(tensor.Address, _halves.Pointer, (nuint)tensor.Bytes);
            return;
        }

        _floats = new CpuBuffer<float>(tensor.Count);
        for (var row = 0L; row < tensor.Shape[0]; row++)
        {
            tensor.CopyTo(row * _hidden, new Span<float>(_floats.Pointer + (row * _hidden), _hidden));
        }
    }

    public long Bytes => _halves?.Bytes ?? _floats!.Bytes; // one of the two is always there

    public void Read(int token, float* target)
    {
        if (_floats is not null)
        {
            new ReadOnlySpan<float>(_floats.Pointer + ((long)token * _hidden), _hidden).CopyTo(new Span<float>(target, _hidden));
            return;
        }

        var row = _halves!.Pointer + ((long)token * _hidden);
        for (var i = 0; i < _hidden; i++)
        {
            target[i] = BitConverter.UInt32BitsToSingle((uint)row[i] << 16);
        }
    }

    public void Dispose()
    {
        _halves?.Dispose();
        _floats?.Dispose();
    }
}
