using Loire.Cuda;
using Loire.Kernels;

namespace Loire.Gpu.Tests.Kernels;

public sealed class QuantiseTests(Gpu gpu) : IClassFixture<Gpu>
{
    [GpuTheory]
    [InlineData(1, 1)]
    [InlineData(127, 129)]
    [InlineData(128, 128)]
    [InlineData(257, 300)]
    [InlineData(3, 1000)]
    [InlineData(300, 6144)]
    public void Codes_and_scales_are_the_references_to_the_bit(int rows, int columns)
    {
        var w = Numbers.AsBFloat16(Awkward(rows, columns));
        using var device = gpu.Upload(w, rows, columns);
        using var codes = gpu.Poisoned<byte>(rows, columns);
        using var scales = gpu.Poisoned<float>(BlockScales.BlocksOf(rows), BlockScales.BlocksOf(columns));

        Kernel.Enqueue(gpu.Stream, device.Matrix, codes.Address, scales.Address);

        var expected = QuantiseReference.Apply(Numbers.AsFloat(w), rows, columns);
        Assert.Equal(expected.Scales, scales.Download());
        Assert.Equal(expected.Codes.Select(code => code.Bits), codes.Download());
    }

    [GpuTheory]
    [InlineData(1, 1, 16)]
    [InlineData(3, 129, 320)]
    [InlineData(2, 257, 6144)]
    public void Back_are_code_times_scale_rounded_to_bf16(int matrices, int rows, int columns)
    {
        var all = Enumerable.Range(0, matrices).Select(i => QuantiseReference.Apply(Numbers.Normal(i, (long)rows * columns), rows, columns)).ToArray();
        var bits = all.SelectMany(one => one.Codes).Select(code => code.Bits).ToArray();
        for (var code = 0; code < 256 && code < columns; code++)
        {
            bits[code] = (byte)code; // each of them once
        }

        using var codes = gpu.Upload(bits, matrices, (long)rows * columns);
        using var scales = gpu.Upload(all.SelectMany(one => one.Scales).ToArray());
        using var w = gpu.Poisoned<BFloat16>((long)matrices * rows, columns);

        Kernel.EnqueueBack(gpu.Stream, codes.Address, scales.Address, matrices, rows, columns, w.Address);

        var expected = Enumerable.Range(0, matrices).SelectMany(i => QuantiseReference.Back(
            bits.Skip(i * rows * columns).Take(rows * columns).Select(code => new Float8(code)).ToArray(), all[i].Scales, rows, columns));
        Assert.Equal(Numbers.Rounded([.. expected]), Numbers.AsFloat(w.Download()));
    }

    private Quantise Kernel => new(gpu.Module("Quantise", ElementType.BFloat16));

    /// <summary>Numbers of many sizes, a block of zeros where there is room, and a NaN.</summary>
    private static float[] Awkward(int rows, int columns)
    {
        var sizes = Numbers.Uniform(seed: 4, (long)rows * columns, -12, 4);
        var w = Numbers.Normal(seed: 5, (long)rows * columns).Zip(sizes, (number, size) => number * MathF.Exp(size)).ToArray();
        for (var row = 0; row < BlockScales.Block && rows > BlockScales.Block; row++)
        {
            w.AsSpan(row * columns, Math.Min(columns, BlockScales.Block)).Clear();
        }

        w[^1] = w.Length > 1 ? float.NaN : w[^1];
        return w;
    }
}
