using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Loire.Engine.Weights;

/// <summary>Widens stored floats to fp32, bit for bit: subnormals, infinities and NaN payloads included.</summary>
internal static class FloatConversion
{
    /// <param name="type">F32, BF16 or F16.</param>
    /// <param name="source">Little-endian, of any alignment; exactly the destination's values.</param>
    /// <param name="destination">Written completely.</param>
    public static void Widen(TensorType type, ReadOnlySpan<byte> source, Span<float> destination)
    {
        switch (type)
        {
            case TensorType.F32:
                source.CopyTo(MemoryMarshal.AsBytes(destination));
                break;
            case TensorType.BF16:
                WidenHalves<BFloat16Bits>(source, MemoryMarshal.Cast<float, uint>(destination));
                break;
            case TensorType.F16:
                WidenHalves<Float16Bits>(source, MemoryMarshal.Cast<float, uint>(destination));
                break;
            default:
                throw new ArgumentOutOfRangeException(nameof(type), type, "Expected F32, BF16 or F16.");
        }
    }

    private interface IHalfBits
    {
        static abstract Vector256<uint> Widen(Vector256<uint> half);
    }

    private readonly struct BFloat16Bits : IHalfBits
    {
        public static Vector256<uint> Widen(Vector256<uint> half) => half << 16;
    }

    private readonly struct Float16Bits : IHalfBits
    {
        /// <remarks>
        /// The exponent's bias grows by 112. The highest exponent (infinity, NaN) gets it twice, to land on 255;
        /// the lowest (zero, subnormals) is a count of 2^−24, which the conversion from integer makes exactly.
        /// </remarks>
        public static Vector256<uint> Widen(Vector256<uint> half)
        {
            var bias = Vector256.Create(112u << 23);
            var sign = (half & Vector256.Create(0x8000u)) << 16;
            var magnitude = half & Vector256.Create(0x7FFFu);
            var normal = (magnitude << 13) + bias;
            var special = Vector256.GreaterThanOrEqual(magnitude, Vector256.Create(0x7C00u));
            var subnormal = Vector256.LessThan(magnitude, Vector256.Create(0x0400u));
            var counted = Vector256.ConvertToSingle(magnitude.AsInt32()) * Vector256.Create(1f / (1 << 24));
            return sign | Vector256.ConditionalSelect(subnormal, counted.AsUInt32(), normal + (special & bias));
        }
    }

    private static void WidenHalves<T>(ReadOnlySpan<byte> source, Span<uint> destination)
        where T : struct, IHalfBits
    {
        ref var from = ref MemoryMarshal.GetReference(source);
        var i = 0;
        for (; i <= destination.Length - 8; i += 8)
        {
            var halves = Unsafe.ReadUnaligned<Vector128<ushort>>(ref Unsafe.Add(ref from, 2 * i));
            T.Widen(Vector256.Create(Vector128.WidenLower(halves), Vector128.WidenUpper(halves))).CopyTo(destination[i..]);
        }

        for (; i < destination.Length; i++)
        {
            var half = Unsafe.ReadUnaligned<ushort>(ref Unsafe.Add(ref from, 2 * i));
            destination[i] = T.Widen(Vector256.Create((uint)half))[0];
        }
    }
}
