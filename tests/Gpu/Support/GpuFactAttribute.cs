using Loire.Cuda;
using Loire.Gpu.Tests.Running;

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
    /// <param name="needsCompiler">Whether it makes a stand-in for the driver.</param>
    public GpuTheoryAttribute(int gpus = 1, bool needsCompiler = false) => Skip = Absence.Of(gpus) ?? (needsCompiler ? DriverStandIn.Obstacle : null);
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
