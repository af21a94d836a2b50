namespace Loire.Cuda.Tests;

/// <summary>What a process is told that finds no GPU at its start, or not the one that it was to use.</summary>
public sealed class ProbeTests
{
    [Theory]
    [InlineData(CuResult.NoDevice, "No GPU is there for this process. One that nvidia-smi -L lists is hidden by CUDA_VISIBLE_DEVICES (it is '7')")]
    [InlineData(CuResult.InvalidDevice, "A GPU that is meant to be there is not. Compare CUDA_VISIBLE_DEVICES (it is '7') with nvidia-smi -L")]
    [InlineData(CuResult.SystemNotReady, "The NVLink fabric is not up. Is nvidia-fabricmanager running")]
    [InlineData(CuResult.SystemDriverMismatch, "Kernel module and libcuda are of different versions")]
    [InlineData(CuResult.CompatibilityUnsupported, "This libcuda is newer than the kernel module")]
    [InlineData(CuResult.StubLibrary, "It is the toolkit's stub and no driver. Take its folder out of LOIRE_CUDA_LIBRARIES and LD_LIBRARY_PATH.")]
    [InlineData(CuResult.NotInitialized, "Its part in the system does not answer. If nvidia-smi fails as well")]
    [InlineData(CuResult.OperatingSystem, "Its part in the system does not answer. If nvidia-smi fails as well")]
    [InlineData(CuResult.Unknown, "Its part in the system does not answer. If nvidia-smi fails as well")]
    [InlineData(CuResult.DeviceUnavailable, "No GPU can be used. Look at nvidia-smi, CUDA_VISIBLE_DEVICES (it is '7')")]
    public void A_driver_that_does_not_begin_is_named_with_its_answer_its_meaning_and_what_to_do(CuResult result, string expected)
    {
        var text = CuResultText.OfStart($"cuInit answers {result}", result, "libcuda.so.1", visible: "7");

        Assert.StartsWith($"The driver (libcuda.so.1) is there, but cuInit answers {result}. {expected}", text, StringComparison.Ordinal);
        Assert.EndsWith("The steps are in ops/runbooks/gpu-lost.md.", text, StringComparison.Ordinal);
    }

    [Fact]
    public void A_setting_that_is_not_there_is_said_to_be_not_there() =>
        Assert.Contains("hidden by CUDA_VISIBLE_DEVICES (not set) or", CuResultText.OfStart("cuDeviceGetCount counts none", CuResult.NoDevice, "libcuda.so.1", visible: null), StringComparison.Ordinal);

    [Theory]
    [InlineData(2)]
    [InlineData(-1)]
    public void A_gpu_that_is_not_there_is_refused_with_those_that_are(int ordinal)
    {
        var refusal = Probe(gpus: 2).Refusal(ordinal);

        Assert.StartsWith($"There is no GPU {ordinal}: this process sees GPU 0 (H), GPU 1 (H). Name one of those", refusal, StringComparison.Ordinal);
        Assert.Contains("ops/runbooks/gpu-lost.md", refusal, StringComparison.Ordinal);
    }

    [Fact]
    public void A_gpu_that_is_there_is_not_refused() => Assert.Null(Probe(gpus: 2).Refusal(1));

    [Fact]
    public void Where_nothing_can_be_used_the_refusal_is_the_reason() =>
        Assert.Equal("libcuda is missing.", (Probe(gpus: 0) with { Missing = ["libcuda is missing."] }).Refusal(0));

    private static CudaProbe Probe(int gpus) => new()
    {
        Gpus = [.. Enumerable.Range(0, gpus).Select(i => new GpuDescription(i, "H", 80L << 30, new Version(9, 0)))],
        DriverVersion = "13.0",
        Libraries = [],
        Missing = [],
    };
}
