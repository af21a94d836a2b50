using System.Runtime.InteropServices;
using Loire.Cuda;

namespace Loire.Kernels;

/// <summary>Sets a slot's recurrent state to zero in all layers at once, where layers are a fixed distance apart.</summary>
/// <remarks>Cost: each number written once; bound by memory.</remarks>
/// <param name="module">Compiled from <c>PageBlobs.cu</c>.</param>
public sealed class StateClear(CudaModule module)
{
    private const int Threads = 256;
    private const int NumbersPerThread = 16;
    private const int MostBlocks = 256;

    private readonly CudaFunction<Parameters> _function = module.Function<Parameters>("clear_state");

    /// <param name="stream">To run on.</param>
    /// <param name="slot">The slot in the first layer.</param>
    /// <param name="layerStride">From one layer's slot to the next one's, in numbers.</param>
    /// <param name="layers">How many; at most 65,535.</param>
    public void Enqueue(CudaStream stream, DeviceVector<float> slot, long layerStride, int layers)
    {
        if (slot.Length == 0 || layers == 0)
        {
            return;
        }

        var blocks = (int)Math.Min(MostBlocks, (slot.Length + (Threads * NumbersPerThread) - 1) / (Threads * NumbersPerThread));
        _function.Launch(stream, new LaunchGrid(blocks, layers, 1, Threads), new Parameters(slot.Address, layerStride, slot.Length));
    }

    /// <summary>Field for field the <c>StateClearParameters</c> of PageBlobs.cu.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public readonly record struct Parameters(ulong State, long LayerStride, long Length);
}
