using Loire.Kernels;

namespace Loire.Engine.Backends.Cuda;

/// <summary>Fills a part's states with random numbers of the size that real ones have. For measurements.</summary>
internal static class SyntheticStates
{
    public static void Fill(CudaPart part, ulong seed)
    {
        part.Device.MakeCurrent();
        using var module = part.Device.Compile(KernelSources.Of("Synthetic", part.Kernels.Type));
        var kernel = new Synthetic(module);
        kernel.Enqueue(part.Stream, part.States.Recurrent.Address, part.States.Recurrent.Length, new SyntheticSequence(seed, 0, 0.1f), isFloat: true);
        foreach (var (layer, _) in part.States.Shape.KeyValue)
        {
            var pages = part.States.PagesOf(layer);
            var length = (part.States.Pages + 1L) * pages.PageLength;
            kernel.Enqueue(part.Stream, pages.Keys, length, new SyntheticSequence(seed + 1, 0, 1), isFloat: false);
            kernel.Enqueue(part.Stream, pages.Values, length, new SyntheticSequence(seed + 2, 0, 1), isFloat: false);
        }

        part.Stream.Synchronize();
    }
}
