using System.Diagnostics;
using Loire.Gpu.Tests.Running;

namespace Loire.Gpu.Tests.Engine;

public sealed class StickyFaultTests
{
    [GpuFact]
    public async Task A_process_whose_gpu_has_failed_ends_and_says_where_and_what_to_do()
    {
        using var process = Process.Start(new ProcessStartInfo(Environment.ProcessPath!, [typeof(StickyFault).Assembly.Location, StickyFault.Word])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        })!;
        var output = process.StandardOutput.ReadToEndAsync();
        var errors = await process.StandardError.ReadToEndAsync();
        await process.WaitForExitAsync();
        var said = errors + await output;

        Assert.NotEqual(0, process.ExitCode);
        Assert.Contains("The step loop failed", said, StringComparison.Ordinal);
        Assert.Contains("GPU 0 with IllegalAddress (700)", said, StringComparison.Ordinal);
        Assert.Contains("has to be started anew", said, StringComparison.Ordinal);
    }
}
