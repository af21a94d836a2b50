using System.Runtime.InteropServices;
using Loire.Gpu.Tests;
using Loire.Gpu.Tests.Running;

namespace Loire.Cuda.Tests;

/// <summary>The stand-in for the driver, by which a GPU is made to disappear in tests/Gpu: it must pass on all, until it is told not to.</summary>
public sealed class DriverStandInTests
{
    /// <summary>A driver that has two GPUs, and finds a copy between them wrong unless all six arguments arrive.</summary>
    private const string Behind = """
        int cuInit(unsigned flags) { return flags == 0 ? 0 : 1; }
        int cuDeviceGetCount(int* count) { *count = 2; return 0; }
        int cuMemsetD8Async(unsigned long long to, unsigned char value, unsigned long count, void* stream) { return to == ~0ull && value == 0xAB && count == 3 && stream == 0 ? 0 : 1; }
        int cuMemcpyPeerAsync(unsigned long long to, void* there, unsigned long long from, void* here, unsigned long count, void* stream)
        {
            return to == 1ull << 63 && there == (void*)2 && from == 3 && here == (void*)4 && count == 1ul << 40 && stream == (void*)6 ? 0 : 1;
        }
        """;

    [CompilerFact]
    public void It_is_found_as_the_driver_and_has_every_function_that_is_called()
    {
        using var driver = new DriverStandIn();

        var found = new LibrarySearch([driver.Folder], bySystem: false, named: 1).Load(CudaLibraries.FileNames[Native.Driver.Library]);

        Assert.Equal(driver.Library, found.Path);
        Assert.Contains("cuInit", DriverStandIn.Calls);
        Assert.Contains("cuGraphLaunch", DriverStandIn.Calls);
        Assert.All(DriverStandIn.Calls, call => Assert.True(NativeLibrary.TryGetExport(found.Handle, call, out _), call));
    }

    [CompilerFact]
    public unsafe void Calls_reach_the_driver_behind_it_with_all_their_arguments()
    {
        using var driver = new DriverStandIn(source: Behind);
        var library = NativeLibrary.Load(driver.Library);
        var count = 0;

        Assert.Equal(CuResult.Success, ((delegate* unmanaged<uint, CuResult>)NativeLibrary.GetExport(library, "cuInit"))(0));
        Assert.Equal(CuResult.InvalidValue, ((delegate* unmanaged<uint, CuResult>)NativeLibrary.GetExport(library, "cuInit"))(1));
        Assert.Equal(CuResult.Success, ((delegate* unmanaged<int*, CuResult>)NativeLibrary.GetExport(library, "cuDeviceGetCount"))(&count));
        Assert.Equal(2, count);
        Assert.Equal(CuResult.Success, ((delegate* unmanaged<ulong, byte, nuint, nint, CuResult>)NativeLibrary.GetExport(library, "cuMemsetD8Async"))(ulong.MaxValue, 0xAB, 3, 0));
        Assert.Equal(
            CuResult.Success,
            ((delegate* unmanaged<ulong, nint, ulong, nint, nuint, nint, CuResult>)NativeLibrary.GetExport(library, "cuMemcpyPeerAsync"))(1ul << 63, 2, 3, 4, (nuint)1 << 40, 6));
        Assert.Equal(CuResult.NotFound, ((delegate* unmanaged<nint, CuResult>)NativeLibrary.GetExport(library, "cuCtxSetCurrent"))(0)); // the driver behind has none
    }

    [CompilerFact]
    public unsafe void Once_it_is_told_nothing_reaches_the_driver_behind_it()
    {
        using var driver = new DriverStandIn(source: Behind);
        var getCount = (delegate* unmanaged<int*, CuResult>)NativeLibrary.GetExport(NativeLibrary.Load(driver.Library), "cuDeviceGetCount");
        var count = 0;
        Assert.Equal(CuResult.Success, getCount(&count));

        driver.Tell(CuResult.DeviceUnavailable);
        count = -1;

        Assert.Equal(CuResult.DeviceUnavailable, getCount(&count));
        Assert.Equal(-1, count);
        driver.Tell(CuResult.NoDevice);
        Assert.Equal(CuResult.NoDevice, getCount(&count));
    }
}
