using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Loire.Cuda.Native;

namespace Loire.Cuda.Tests;

/// <summary>Structs that the driver reads have the sizes and offsets of cuda.h and cublasLt.h.</summary>
public sealed class LayoutTests
{
    [Fact]
    public void A_launch_configuration_has_56_bytes_with_the_stream_at_32()
    {
        Assert.Equal(56, Unsafe.SizeOf<LaunchConfiguration>());
        Assert.Equal(32, (int)Marshal.OffsetOf<LaunchConfiguration>(nameof(LaunchConfiguration.Stream)));
        Assert.Equal(40, (int)Marshal.OffsetOf<LaunchConfiguration>(nameof(LaunchConfiguration.Attributes)));
    }

    [Fact]
    public void A_launch_attribute_has_72_bytes_with_the_value_at_8()
    {
        Assert.Equal(72, Unsafe.SizeOf<LaunchAttribute>());
        Assert.Equal(8, (int)Marshal.OffsetOf<LaunchAttribute>(nameof(LaunchAttribute.Value)));
    }

    [Fact]
    public void A_graph_update_result_has_24_bytes() => Assert.Equal(24, Unsafe.SizeOf<GraphUpdateResult>());

    [Fact]
    public void A_heuristic_of_matrix_products_has_96_bytes()
    {
        Assert.Equal(64, Unsafe.SizeOf<CublasLtAlgorithm>());
        Assert.Equal(96, Unsafe.SizeOf<CublasLtHeuristic>());
    }
}
