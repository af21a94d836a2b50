using Loire.Cuda;

namespace Loire.Gpu.Tests;

/// <summary>A fact about a GPU; skipped, with the reason, where there are too few.</summary>
public sealed class GpuFactAttribute : FactAttribute
{
    /// <param name="gpus">GPUs that it needs.</param>
    public GpuFactAttribute(int gpus = 1) => Skip = Absence.Of(gpus);
}

/// <summary>A theory about a GPU; skipped, with the reason, where there are too few.</summary>
public sealed class GpuTheoryAttribute : TheoryAttribute
{
    /// <param name="gpus">GPUs that it needs.</param>
    public GpuTheoryAttribute(int gpus = 1) => Skip = Absence.Of(gpus);
}

internal static class Absence
{
    /// <summary>Null: there are as many GPUs as that, and they can be used.</summary>
    public static string? Of(int gpus)
    {
        var probe = CudaDriver.Probe();
        if (!probe.IsUsable)
        {
            return probe.Reason;
        }

        return probe.Gpus.Length < gpus ? $"{gpus} GPUs are needed; there are {probe.Gpus.Length}." : null;
    }
}
