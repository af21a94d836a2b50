using System.Diagnostics;
using Loire.Cuda;
using Loire.Cuda.Native;
using Loire.Gpu.Tests.Running;

namespace Loire.Gpu.Tests.Engine;

/// <summary>A GPU that disappears, or was never there: by a stand-in for the driver's library, since none can be pulled out.</summary>
public sealed class LostGpuTests
{
    [GpuTheory(needsCompiler: true)]
    [InlineData(CuResult.DeviceUnavailable, "GPU 0 is gone")]
    [InlineData(CuResult.NoDevice, "GPU 0 is gone")]
    [InlineData(CuResult.InvalidDevice, "GPU 0 is gone")]
    [InlineData(CuResult.EccUncorrectable, "The memory of GPU 0 has an error")]
    [InlineData(CuResult.NvlinkUncorrectable, "The NVLink of GPU 0 has had an error")]
    [InlineData(CuResult.LaunchFailed, "or GPU 0 is gone")]
    [InlineData(CuResult.Unknown, "or GPU 0 is gone")]
    public async Task A_process_whose_gpu_disappears_while_it_generates_ends_and_says_which_and_what_to_do(CuResult result, string expected)
    {
        using var driver = new DriverStandIn(CudaLibraries.Find(Driver.Library).Path);

        var (exitCode, said) = await RunAsync(driver, LostGpu.Word, driver.Answer, $"{(int)result}");

        Assert.NotEqual(0, exitCode);
        Assert.Contains("The step loop failed", said, StringComparison.Ordinal);
        Assert.Contains($"failed on GPU 0 with {result} ({(int)result}).", said, StringComparison.Ordinal);
        Assert.Contains(expected, said, StringComparison.Ordinal);
        Assert.Contains("has to be started anew", said, StringComparison.Ordinal);
        Assert.Contains("start the silo on the other GPUs by --device", said, StringComparison.Ordinal);
        Assert.Contains("ops/runbooks/gpu-lost.md", said, StringComparison.Ordinal);
    }

    /// <summary>Nothing is behind the stand-in here: it needs no GPU.</summary>
    [CompilerTheory]
    [InlineData(CuResult.NoDevice, "No GPU is there for this process")]
    [InlineData(CuResult.InvalidDevice, "A GPU that is meant to be there is not")]
    [InlineData(CuResult.SystemNotReady, "The NVLink fabric is not up")]
    [InlineData(CuResult.SystemDriverMismatch, "Kernel module and libcuda are of different versions")]
    [InlineData(CuResult.Unknown, "Its part in the system does not answer")]
    public async Task A_process_that_finds_no_gpu_at_its_start_says_why_and_what_to_do(CuResult result, string expected)
    {
        using var driver = new DriverStandIn();
        driver.Tell(result);

        var (exitCode, said) = await RunAsync(driver, "--tests", "none", "--bench", "none");

        Assert.Equal(2, exitCode);
        Assert.Contains($"The driver ({driver.Library}) is there, but cuInit answers {result} ({(int)result}). {expected}", said, StringComparison.Ordinal);
        Assert.Contains("ops/runbooks/gpu-lost.md", said, StringComparison.Ordinal);
    }

    private static async Task<(int ExitCode, string Said)> RunAsync(DriverStandIn driver, params string[] words)
    {
        var start = new ProcessStartInfo(Environment.ProcessPath!, [typeof(LostGpu).Assembly.Location, .. words])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        driver.PutBefore(start);
        using var process = Process.Start(start)!;
        var output = process.StandardOutput.ReadToEndAsync();
        var errors = await process.StandardError.ReadToEndAsync();
        await process.WaitForExitAsync();
        return (process.ExitCode, errors + await output);
    }
}
