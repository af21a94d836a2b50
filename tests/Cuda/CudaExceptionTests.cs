namespace Loire.Cuda.Tests;

public sealed class CudaExceptionTests
{
    [Fact]
    public void The_message_says_what_was_tried_where_and_with_what_result_and_then_what_to_do()
    {
        var failure = new CudaException(CuResult.OutOfMemory, "cuMemAlloc(7.5 GiB for the key-value pages)", 3, "1.2 GiB is free of 139.8 GiB; lower Engine:KeyValueTokens.");

        Assert.Equal(
            "cuMemAlloc(7.5 GiB for the key-value pages) failed on GPU 3 with OutOfMemory (2). 1.2 GiB is free of 139.8 GiB; lower Engine:KeyValueTokens.",
            failure.Message);
        Assert.False(failure.IsSticky);
    }

    [Theory]
    [InlineData(CuResult.IllegalAddress)]
    [InlineData(CuResult.LaunchFailed)]
    [InlineData(CuResult.EccUncorrectable)]
    [InlineData(CuResult.DeviceUnavailable)]
    [InlineData(CuResult.NoDevice)]
    [InlineData(CuResult.InvalidDevice)]
    [InlineData(CuResult.NvlinkUncorrectable)]
    [InlineData(CuResult.Contained)]
    [InlineData(CuResult.Unknown)]
    [InlineData(CuResult.MisalignedAddress)]
    public void An_error_after_which_the_context_is_lost_is_sticky_and_says_so(CuResult result)
    {
        var failure = new CudaException(result, "The work on the stream 'steps'", 0);

        Assert.True(failure.IsSticky);
        Assert.Contains("has to be started anew", failure.Message, StringComparison.Ordinal);
        Assert.EndsWith("The steps are in ops/runbooks/gpu-lost.md.", failure.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(CuResult.DeviceUnavailable, "GPU 3 is gone")]
    [InlineData(CuResult.NoDevice, "GPU 3 is gone")]
    [InlineData(CuResult.InvalidDevice, "GPU 3 is gone")]
    [InlineData(CuResult.EccUncorrectable, "The memory of GPU 3 has an error")]
    [InlineData(CuResult.NvlinkUncorrectable, "The NVLink of GPU 3 has had an error")]
    [InlineData(CuResult.Contained, "GPU 3 has contained a fault")]
    [InlineData(CuResult.LaunchFailed, "A kernel has failed, or GPU 3 is gone")]
    [InlineData(CuResult.Unknown, "A kernel has failed, or GPU 3 is gone")]
    public void Of_a_gpu_that_may_be_gone_it_is_said_where_to_look_and_how_to_go_on_without_it(CuResult result, string expected)
    {
        var failure = new CudaException(result, "The work on the stream 'steps'", 3);

        Assert.StartsWith($"The work on the stream 'steps' failed on GPU 3 with {result} ({(int)result}). {expected}", failure.Message, StringComparison.Ordinal);
        Assert.Contains("Xid 79", failure.Message, StringComparison.Ordinal);
        Assert.Contains("start the silo on the other GPUs by --device", failure.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(CuResult.OutOfMemory, "The memory of GPU 3, or what the host may pin, is used up")]
    [InlineData(CuResult.SystemNotReady, "The NVLink fabric is not up")]
    [InlineData(CuResult.SystemDriverMismatch, "Kernel module and libcuda are of different versions")]
    public void What_a_new_process_may_find_as_well_is_not_sticky_and_says_what_to_do(CuResult result, string expected)
    {
        var failure = new CudaException(result, "cuDevicePrimaryCtxRetain", 3);

        Assert.False(failure.IsSticky);
        Assert.StartsWith($"cuDevicePrimaryCtxRetain failed on GPU 3 with {result} ({(int)result}). {expected}", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_result_that_says_it_all_is_left_alone() =>
        Assert.Equal("cuStreamCreate failed on GPU 0 with InvalidValue (1).", new CudaException(CuResult.InvalidValue, "cuStreamCreate", 0).Message);

    [Fact]
    public void Success_is_no_failure() => CudaException.ThrowIfFailed(CuResult.Success, "nothing", 0);

    [Fact]
    public void A_kernel_that_does_not_compile_shows_the_compilers_log()
    {
        var failure = new KernelCompileException("Linear.cu", "sm_90a", "NVRTC 13.0", "Linear.cu(12): error: identifier \"x\" is undefined\n");

        Assert.StartsWith("Linear.cu does not compile for sm_90a with NVRTC 13.0:", failure.Message, StringComparison.Ordinal);
        Assert.EndsWith("identifier \"x\" is undefined", failure.Message, StringComparison.Ordinal);
    }
}
