using System.Runtime.CompilerServices;

namespace Loire.Kernels.Tests;

/// <summary>Sizes of the mixers' parameters, counted by hand from the device code; the driver checks them again when a kernel is loaded.</summary>
public sealed class MixerLayoutTests
{
    [Fact]
    public void Parameters_are_as_long_as_the_device_has_them()
    {
        Assert.Equal((7 * 8) + 8 + (5 * 4) + 4, Unsafe.SizeOf<LightningState.Parameters>());
        Assert.Equal((8 * 8) + 8 + 8, Unsafe.SizeOf<LightningChunks.Parameters>()); // the last 4 bytes fill up
        Assert.Equal((5 * 8) + 8 + (3 * 4) + 4, Unsafe.SizeOf<GatedNorm.Parameters>());
        Assert.Equal((8 * 8) + (3 * 8) + (5 * 4) + 4, Unsafe.SizeOf<RopeAppend.Parameters>());
        Assert.Equal((7 * 8) + (2 * 8) + (4 * 4), Unsafe.SizeOf<AttentionRows.Parameters>());
        Assert.Equal((9 * 8) + (2 * 8) + (4 * 4), Unsafe.SizeOf<AttentionDecode.Parameters>());
        Assert.Equal((8 * 8) + (2 * 8) + (4 * 4), Unsafe.SizeOf<AttentionPrefill.Parameters>());
        Assert.Equal((4 * 8) + 8 + (3 * 4) + 4, Unsafe.SizeOf<PageBlobs.Parameters>());
        Assert.Equal(3 * 8, Unsafe.SizeOf<StateClear.Parameters>());
    }
}
