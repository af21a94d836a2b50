using System.Runtime.InteropServices;
using Loire.Cuda;
using Loire.Engine.Weights;
using Loire.Kernels;

namespace Loire.Engine.Backends.Cuda.Weights;

/// <summary>Brings tensors from mapped files to the device, piece by piece: one is converted while the one before is on its way.</summary>
internal sealed class WeightUploader : IDisposable
{
    private const int PieceBytes = 16 << 20;
    private const int Pieces = 3;

    private readonly ElementType _type;
    private readonly CudaStream _stream;
    private readonly PinnedMemory _memory;
    private readonly CudaEvent[] _sent;
    private readonly float[] _floats;
    private int _next;

    public WeightUploader(CudaDevice device, ElementType type)
    {
        _type = type;
        _stream = device.NewStream("weights");
        _memory = device.AllocatePinned((long)Pieces * PieceBytes, "weights on their way");
        _sent = [.. Enumerable.Range(0, Pieces).Select(_ => device.NewEvent())];
        _floats = new float[PieceBytes / sizeof(float)];
    }

    public void Upload(WeightLayout layout, IWeightSource source, IProgress<double>? progress)
    {
        var done = 0L;
        foreach (var part in layout.Parts)
        {
            var tensor = part.Columns is { } columns ? source.Get(part.Tensor, part.Rows, columns) : GetVector(source, part);
            Upload(part, tensor, layout.Address);
            done += part.Count;
            progress?.Report((double)done / Math.Max(1, layout.Bytes / layout.ElementBytes));
        }

        _stream.Synchronize();
    }

    public void Dispose()
    {
        _stream.Dispose();
        Array.ForEach(_sent, sent => sent.Dispose());
        _memory.Dispose();
    }

    /// <summary>Some vectors are stored as a matrix of one row.</summary>
    private static TensorView GetVector(IWeightSource source, WeightPart part)
    {
        var found = source.Get(part.Tensor);
        return found.Shape.Length == 2 && found.Shape[0] == 1 ? source.Get(part.Tensor, 1, part.Rows) : source.Get(part.Tensor, part.Rows);
    }

    private void Upload(WeightPart part, TensorView tensor, ulong target)
    {
        var toHalves = !part.IsFloat && _type is ElementType.BFloat16;
        var elementBytes = toHalves ? sizeof(ushort) : sizeof(float);
        const int Most = PieceBytes / sizeof(float);
        for (var first = 0L; first < part.Count; first += Most)
        {
            var count = (int)Math.Min(Most, part.Count - first);
            var piece = _next++ % Pieces;
            _sent[piece].Synchronize();
            var bytes = _memory.Span<byte>((long)piece * PieceBytes, count * elementBytes);
            Convert(tensor, first, count, toHalves, bytes);
            _stream.Copy(_memory, (long)piece * PieceBytes, new DeviceVector<byte>(target + (ulong)(part.Offset + (first * elementBytes)), bytes.Length));
            _stream.Record(_sent[piece]);
        }
    }

    private unsafe void Convert(TensorView tensor, long first, int count, bool toHalves, Span<byte> target)
    {
        if (!toHalves)
        {
            tensor.CopyTo(first, MemoryMarshal.Cast<byte, float>(target));
            return;
        }

        if (tensor.Type is TensorType.BF16)
        {
            new ReadOnlySpan<byte>(tensor.Address + (first * sizeof(ushort)), target.Length).CopyTo(target);
            return;
        }

        var floats = _floats.AsSpan(0, count);
        tensor.CopyTo(first, floats);
        var halves = MemoryMarshal.Cast<byte, BFloat16>(target);
        for (var i = 0; i < count; i++)
        {
            halves[i] = (BFloat16)floats[i];
        }
    }
}
