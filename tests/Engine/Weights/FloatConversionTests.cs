using System.Runtime.InteropServices;
using Loire.Engine.Weights;

namespace Loire.Engine.Tests.Weights;

public sealed class FloatConversionTests
{
    [Fact]
    public void Every_bf16_widens_to_its_upper_half()
    {
        var halves = AllHalves();

        var bits = Widen(TensorType.BF16, halves);

        for (var i = 0; i < halves.Length; i++)
        {
            Assert.Equal((uint)halves[i] << 16, bits[i]);
        }
    }

    [Fact]
    public void Every_f16_widens_to_the_same_number()
    {
        var halves = AllHalves();

        var bits = Widen(TensorType.F16, halves);

        for (var i = 0; i < halves.Length; i++)
        {
            Assert.Equal(WidenedF16(halves[i]), bits[i]);
        }
    }

    [Theory]
    [InlineData(TensorType.F32, 4)]
    [InlineData(TensorType.BF16, 2)]
    [InlineData(TensorType.F16, 2)]
    public void Unaligned_sources_and_odd_lengths_convert_alike(TensorType type, int size)
    {
        var random = new Random(7);
        foreach (var count in new[] { 0, 1, 3, 7, 8, 9, 15, 17, 1000 })
        {
            var bytes = new byte[(count * size) + 1];
            random.NextBytes(bytes);
            var unaligned = new float[count];
            var aligned = new float[count];

            FloatConversion.Widen(type, bytes.AsSpan(1), unaligned);
            FloatConversion.Widen(type, bytes.AsSpan(1).ToArray(), aligned);

            Assert.Equal(MemoryMarshal.AsBytes<float>(aligned).ToArray(), MemoryMarshal.AsBytes<float>(unaligned).ToArray());
        }
    }

    private static ushort[] AllHalves() => [.. Enumerable.Range(0, 1 << 16).Select(i => (ushort)i)];

    private static uint[] Widen(TensorType type, ushort[] halves)
    {
        var values = new float[halves.Length];
        FloatConversion.Widen(type, MemoryMarshal.AsBytes<ushort>(halves), values);
        return MemoryMarshal.Cast<float, uint>(values).ToArray();
    }

    /// <summary>By the definition of the two formats, field by field.</summary>
    private static uint WidenedF16(ushort half)
    {
        var sign = (uint)(half >> 15) << 31;
        var exponent = (half >> 10) & 31;
        var fraction = (uint)(half & 1023);
        return exponent switch
        {
            31 => sign | 0x7F800000 | (fraction << 13),
            0 => sign | BitConverter.SingleToUInt32Bits((float)Math.ScaleB(fraction, -24)),
            _ => sign | ((uint)(exponent - 15 + 127) << 23) | (fraction << 13),
        };
    }
}
