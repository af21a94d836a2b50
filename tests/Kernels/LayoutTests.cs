using System.Runtime.CompilerServices;

namespace Loire.Kernels.Tests;

/// <summary>Sizes of the parameters, counted by hand from the device code; the driver checks them again when a kernel is loaded.</summary>
public sealed class LayoutTests
{
    [Fact]
    public void Parameters_are_as_long_as_the_device_has_them()
    {
        Assert.Equal((13 * 8) + (8 * 4), Unsafe.SizeOf<AddNorm.Parameters>());
        Assert.Equal(32, Unsafe.SizeOf<LinearSegment>());
        Assert.Equal(8 + (4 * 32) + (4 * 4), Unsafe.SizeOf<Linear.Parameters>());
        Assert.Equal(152 + (2 * 8), Unsafe.SizeOf<Linear.StreamParameters>());
        Assert.Equal(48, Unsafe.SizeOf<Linear.ActivateParameters>());
        Assert.Equal((13 * 8) + (8 * 4), Unsafe.SizeOf<Router.ChooseParameters>());
        Assert.Equal((3 * 8) + (2 * 4), Unsafe.SizeOf<Router.GroupParameters>());
        Assert.Equal((12 * 8) + (6 * 4), Unsafe.SizeOf<Experts.Parameters>());
        Assert.Equal((3 * 8) + (2 * 4), Unsafe.SizeOf<Quantise.Parameters>());
        Assert.Equal((4 * 8) + (2 * 4), Unsafe.SizeOf<Quantise.BackParameters>());
        Assert.Equal((7 * 8) + (3 * 4) + 4, Unsafe.SizeOf<GreedySampling.Parameters>());
        Assert.Equal((5 * 8) + (4 * 4), Unsafe.SizeOf<TopCandidates.Parameters>());
        Assert.Equal((3 * 8) + (8 * 6 * 8) + (2 * 4), Unsafe.SizeOf<TokenChoice.Parameters>());
        Assert.Equal((7 * 8) + (3 * 4) + 4, Unsafe.SizeOf<TokenChoice.TakeParameters>());
        Assert.Equal((3 * 8) + (8 * 5 * 8) + (2 * 4), Unsafe.SizeOf<RowDraw.Parameters>());
        Assert.Equal(4 * RowChoice.Length, Unsafe.SizeOf<RowChoice>());
        Assert.Equal((6 * 8) + (2 * 8 * 8) + (7 * 4) + 4, Unsafe.SizeOf<PartialSums.Parameters>()); // the last 4 bytes fill up
        Assert.Equal((4 * 8) + (2 * 4), Unsafe.SizeOf<Synthetic.Parameters>());
        Assert.Equal((6 * 8) + (2 * 4), Unsafe.SizeOf<Synthetic.RowsParameters>());
    }
}
