using Loire.Cuda;
using Loire.Kernels;

namespace Loire.Engine.Backends.Cuda.Weights;

/// <summary>Brings parts that are held in 8 bits to their places: rows of whole blocks arrive as brain floats beside them, and are quantised from there.</summary>
/// <param name="device">Of the weights.</param>
/// <param name="stream">On which rows arrive: one after the other.</param>
/// <param name="layout">Has such parts.</param>
internal sealed class PartQuantiser(CudaDevice device, CudaStream stream, WeightLayout layout) : IDisposable
{
    private const long LeastScratchBytes = 64L << 20; // a few pieces on their way

    private readonly CudaModule _module = device.Compile(KernelSources.Of("Quantise", layout.Type));
    private readonly DeviceMemory _scratch = device.Allocate(ScratchBytesOf(layout), "weights that are quantised");
    private Quantise? _kernel;

    /// <summary>Null: all parts are held as elements.</summary>
    public static PartQuantiser? For(CudaDevice device, CudaStream stream, WeightLayout layout) =>
        layout.Parts.Any(part => part.ScaleOffset is not null) ? new(device, stream, layout) : null;

    /// <param name="part">With scales.</param>
    /// <param name="fill">Enqueues rows of the part, as elements, to an address.</param>
    public void Enqueue(WeightPart part, Action<WeightPart, ulong> fill)
    {
        var kernel = _kernel ??= new Quantise(_module);
        var columns = part.Columns;
        var blocks = (int)Math.Min(int.MaxValue / BlockScales.Block, _scratch.Bytes / (sizeof(ushort) * (long)columns * BlockScales.Block));
        for (var row = 0; row < part.Rows.Count; row += blocks * BlockScales.Block)
        {
            var rows = part.Rows with { First = part.Rows.First + row, Count = Math.Min(blocks * BlockScales.Block, part.Rows.Count - row) };
            fill(part with { Rows = rows, Offset = 0, ScaleOffset = null }, _scratch.Address);
            var codes = layout.Address + (ulong)(part.Offset + (row * (long)columns));
            var scales = layout.Address + (ulong)(part.ScaleOffset!.Value + (BlockScales.CountOf(row, columns) * sizeof(float))); // it has scales
            kernel.Enqueue(stream, new DeviceMatrix<BFloat16>(_scratch.Address, rows.Count, columns), codes, scales);
        }
    }

    /// <summary>What is enqueued has to have ended.</summary>
    public void Dispose()
    {
        _scratch.Dispose();
        _module.Dispose();
    }

    private static long ScratchBytesOf(WeightLayout layout) =>
        Math.Max(LeastScratchBytes, layout.Parts.Where(part => part.ScaleOffset is not null).Max(part => sizeof(ushort) * (long)part.Columns * BlockScales.Block));
}
