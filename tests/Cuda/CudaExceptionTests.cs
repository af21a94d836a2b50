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
    [InlineData(CuResult.MisalignedAddress)]
    public void An_error_after_which_the_context_is_lost_is_sticky_and_says_so(CuResult result)
    {
        var failure = new CudaException(result, "The work on the stream 'steps'", 0);

        Assert.True(failure.IsSticky);
        Assert.Contains("has to be started anew", failure.Message, StringComparison.Ordinal);
    }

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
