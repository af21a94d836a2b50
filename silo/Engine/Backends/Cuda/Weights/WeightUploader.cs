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

    private readonly WeightLayout _layout;
    private readonly CudaStream _stream;
    private readonly PartQuantiser? _quantiser;
    private readonly PinnedMemory _memory;
    private readonly CudaEvent[] _sent;
    private readonly float[] _floats;
    private int _next;

    public WeightUploader(CudaDevice device, WeightLayout layout)
    {
        _layout = layout;
        _stream = device.NewStream("weights");
        _quantiser = PartQuantiser.For(device, _stream, layout);
        _memory = device.AllocatePinned((long)Pieces * PieceBytes, "weights on their way");
        _sent = [.. Enumerable.Range(0, Pieces).Select(_ => device.NewEvent())];
        _floats = new float[PieceBytes / sizeof(float)];
    }

    public void Upload(IWeightSource source, IProgress<double>? progress)
    {
        var (done, all) = (0L, _layout.Parts.Sum(part => part.Count));
        foreach (var part in _layout.Parts)
        {
            var tensor = part.TotalColumns is { } columns ? source.Get(part.Tensor, part.Rows.Total, columns) : GetVector(source, part);
            if (part.ScaleOffset is null)
            {
                Upload(part, tensor, _layout.Address);
            }
            else
            {
                _quantiser!.Enqueue(part, (rows, target) => Upload(rows, tensor, target)); // the layout has scales
            }

            done += part.Count;
            progress?.Report((double)done / Math.Max(1, all));
        }

        _stream.Synchronize();
    }

    public void Dispose()
    {
        _stream.Dispose();
        _quantiser?.Dispose();
        Array.ForEach(_sent, sent => sent.Dispose());
        _memory.Dispose();
    }

    /// <summary>Some vectors are stored as a matrix of one row.</summary>
    private static TensorView GetVector(IWeightSource source, WeightPart part)
    {
        var found = source.Get(part.Tensor);
        return found.Shape.Length == 2 && found.Shape[0] == 1 ? source.Get(part.Tensor, 1, part.Rows.Total) : source.Get(part.Tensor, part.Rows.Total);
    }

    private void Upload(WeightPart part, TensorView tensor, ulong target)
    {
        var (runs, length, stride) = part.IsContiguous ? (1, part.Count, 0L) : (part.Rows.Count, (long)part.Columns, (long)part.TotalColumns!);
        const int Most = PieceBytes / sizeof(float);
        var runsOfPiece = (int)Math.Max(1, Math.Min(runs, Most / Math.Max(1, length)));
        for (var run = 0; run < runs; run += runsOfPiece)
        {
            var count = Math.Min(runsOfPiece, runs - run);
            for (var first = 0L; first < length; first += Most) // more than once only where a piece is a part of a run
            {
                var source = new Runs(part.FirstElement + (run * stride) + first, stride, count, (int)Math.Min(Most, length - first));
                Upload(part, tensor, source, target + (ulong)(part.Offset + (((run * length) + first) * ElementBytesOf(part))));
            }
        }
    }

    private void Upload(WeightPart part, TensorView tensor, Runs runs, ulong target)
    {
        var piece = _next++ % Pieces;
        _sent[piece].Synchronize();
        var bytesOfRun = runs.Length * ElementBytesOf(part);
        var bytes = _memory.Span<byte>((long)piece * PieceBytes, runs.Count * bytesOfRun);
        for (var run = 0; run < runs.Count; run++)
        {
            Convert(tensor, runs.First + (run * runs.Stride), runs.Length, IsHalf(part), bytes.Slice(run * bytesOfRun, bytesOfRun));
        }

        _stream.Copy(_memory, (long)piece * PieceBytes, new DeviceVector<byte>(target, bytes.Length));
        _stream.Record(_sent[piece]);
    }

    private bool IsHalf(WeightPart part) => !part.IsFloat && _layout.Type is ElementType.BFloat16;

    private int ElementBytesOf(WeightPart part) => IsHalf(part) ? sizeof(ushort) : sizeof(float);

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

    /// <summary>Elements of a tensor: runs of the same length, a stride apart.</summary>
    private readonly record struct Runs(long First, long Stride, int Count, int Length);
}
