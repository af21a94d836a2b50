using Loire.Cuda;

namespace Loire.Kernels;

/// <summary>Weights of a few experts as brain floats, where large tiles are computed with weights of eight bits.</summary>
/// <remarks>One for each stream of a device: its layers use it one after the other.</remarks>
public sealed class ExpertScratch(Quantise quantise, CudaDevice device, long bytes) : IDisposable
{
    /// <summary>Four experts of 9216 over 6144, whose tiles fill a large GPU several times from 128 entries each on.</summary>
    public const long MostBytes = 3L << 29;

    private const long Matrices = 3;

    private readonly DeviceMemory _memory = device.Allocate(Math.Max(bytes, 1), "experts' weights on their way to the matrix units");

    /// <summary>What experts of a shape should have: for all of them up to <see cref="MostBytes"/>, at least for one. None where large tiles do not take the shape.</summary>
    /// <param name="hidden">Of a row.</param>
    /// <param name="width">Of an expert.</param>
    /// <param name="count">Of experts.</param>
    public static long BytesFor(int hidden, int width, int count) => ExpertsChoice.IsTiled(hidden, width)
        ? BytesOfOne(hidden, width) * Math.Min(count, Math.Max(1, MostBytes / BytesOfOne(hidden, width)))
        : 0;

    /// <summary>How many experts of those have room at once.</summary>
    internal int RoomFor(in ExpertWeights weights) => (int)Math.Min(weights.Count, bytes / BytesOfOne(weights.Hidden, weights.Width));

    /// <summary>Writes some of the experts here, and says where they are.</summary>
    internal ExpertWeights Fill(CudaStream stream, in ExpertWeights weights, int first, int count)
    {
        var (hidden, width) = (weights.Hidden, weights.Width);
        var matrix = (ulong)hidden * (ulong)width;
        var few = new ExpertWeights(_memory.Address, _memory.Address + ((ulong)count * 2 * matrix * sizeof(ushort)), hidden, width, weights.FirstExpert + first, count);
        var skipped = (ulong)first;
        quantise.EnqueueBack(
            stream, weights.GateUp + (skipped * 2 * matrix), weights.GateUpScales + (skipped * 2 * (ulong)BlockScales.CountOf(width, hidden) * sizeof(float)), 2 * count, width, hidden, few.GateUp);
        quantise.EnqueueBack(
            stream, weights.Down + (skipped * matrix), weights.DownScales + (skipped * (ulong)BlockScales.CountOf(hidden, width) * sizeof(float)), count, hidden, width, few.Down);
        return few;
    }

    public void Dispose() => _memory.Dispose();

    private static long BytesOfOne(int hidden, int width) => Matrices * sizeof(ushort) * hidden * width;
}
