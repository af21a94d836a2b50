using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Loire.Engine.Sampling;

/// <summary>Passes over a vocabulary's worth of numbers, sixteen at a time.</summary>
/// <remarks>Always sixteen lanes, whatever the machine has, so that sums are added up in the same order everywhere.</remarks>
internal static class LogitVectors
{
    public const int Lanes = 16;

    /// <summary>Of a sum, as a share of it: every addition is one in double, and no vocabulary has more than 2^21 tokens.</summary>
    public const double SumRounding = 2.5e-10;

    /// <summary>The first index of the greatest value; −1 when one is NaN.</summary>
    public static int IndexOfMax(ReadOnlySpan<float> values, out float max, out bool hasNaN)
    {
        ref var start = ref MemoryMarshal.GetReference(values);
        var best = Vector512.Create(float.NegativeInfinity);
        var second = best;
        var ordered = Vector512<float>.AllBitsSet;
        var i = 0;
        for (; i <= values.Length - (2 * Lanes); i += 2 * Lanes)
        {
            var a = Vector512.LoadUnsafe(ref start, (nuint)i);
            var b = Vector512.LoadUnsafe(ref start, (nuint)(i + Lanes));
            ordered &= Vector512.Equals(a, a) & Vector512.Equals(b, b);
            best = Vector512.ConditionalSelect(Vector512.GreaterThan(a, best), a, best);
            second = Vector512.ConditionalSelect(Vector512.GreaterThan(b, second), b, second);
        }

        hasNaN = ordered.AsInt32() != Vector512<int>.AllBitsSet;
        best = Vector512.ConditionalSelect(Vector512.GreaterThan(second, best), second, best);
        max = float.NegativeInfinity;
        for (var lane = 0; lane < Lanes; lane++)
        {
            max = best[lane] > max ? best[lane] : max;
        }

        for (; i < values.Length; i++)
        {
            hasNaN |= float.IsNaN(values[i]);
            max = values[i] > max ? values[i] : max;
        }

        return hasNaN ? -1 : values.IndexOf(max);
    }

    /// <summary><c>to = e^((from − max) · scale)</c>, from 0 to 1; the scale is positive.</summary>
    /// <returns>The sum of what was written.</returns>
    public static double Exponentials(ReadOnlySpan<float> from, float max, float scale, Span<float> to)
    {
        ref var source = ref MemoryMarshal.GetReference(from);
        ref var target = ref MemoryMarshal.GetReference(to[..from.Length]);
        var (lower, upper) = (Vector512<double>.Zero, Vector512<double>.Zero);
        var i = 0;
        for (; i <= from.Length - Lanes; i += Lanes)
        {
            var value = Exponential.Of((Vector512.LoadUnsafe(ref source, (nuint)i) - Vector512.Create(max)) * scale);
            value.StoreUnsafe(ref target, (nuint)i);
            lower += Vector512.WidenLower(value);
            upper += Vector512.WidenUpper(value);
        }

        var sum = Sum(lower) + Sum(upper);
        if (i < from.Length)
        {
            Span<float> rest = stackalloc float[Lanes];
            rest.Fill(float.NegativeInfinity);
            from[i..].CopyTo(rest);
            var value = Exponential.Of((Vector512.Create<float>(rest) - Vector512.Create(max)) * scale);
            value.CopyTo(rest);
            rest[..(from.Length - i)].CopyTo(to[i..]);
            sum += Sum(Vector512.WidenLower(value)) + Sum(Vector512.WidenUpper(value));
        }

        return sum;
    }

    /// <summary>The sum of the values above a threshold. A higher threshold never gives a higher sum, rounding included.</summary>
    public static double SumAbove(ReadOnlySpan<float> values, float threshold)
    {
        ref var start = ref MemoryMarshal.GetReference(values);
        var limit = Vector512.Create(threshold);
        var (lower, upper) = (Vector512<double>.Zero, Vector512<double>.Zero);
        var i = 0;
        for (; i <= values.Length - Lanes; i += Lanes)
        {
            var value = Vector512.LoadUnsafe(ref start, (nuint)i);
            value &= Vector512.GreaterThan(value, limit);
            lower += Vector512.WidenLower(value);
            upper += Vector512.WidenUpper(value);
        }

        var sum = Sum(lower) + Sum(upper);
        for (; i < values.Length; i++)
        {
            sum += values[i] > threshold ? values[i] : 0;
        }

        return sum;
    }

    public static int CountAbove(ReadOnlySpan<float> values, float threshold)
    {
        ref var start = ref MemoryMarshal.GetReference(values);
        var limit = Vector512.Create(threshold);
        var counts = Vector512<int>.Zero;
        var i = 0;
        for (; i <= values.Length - Lanes; i += Lanes)
        {
            counts -= Vector512.GreaterThan(Vector512.LoadUnsafe(ref start, (nuint)i), limit).AsInt32();
        }

        var count = Vector512.Sum(counts);
        for (; i < values.Length; i++)
        {
            count += values[i] > threshold ? 1 : 0;
        }

        return count;
    }

    /// <summary>Sets to 0 what is below the threshold.</summary>
    public static void ZeroBelow(Span<float> values, float threshold)
    {
        ref var start = ref MemoryMarshal.GetReference(values);
        var limit = Vector512.Create(threshold);
        var i = 0;
        for (; i <= values.Length - Lanes; i += Lanes)
        {
            var value = Vector512.LoadUnsafe(ref start, (nuint)i);
            (value & Vector512.GreaterThanOrEqual(value, limit)).StoreUnsafe(ref start, (nuint)i);
        }

        for (; i < values.Length; i++)
        {
            values[i] = values[i] >= threshold ? values[i] : 0;
        }
    }

    /// <summary>Writes the indices and values that are at least the threshold, in order.</summary>
    /// <returns>How many.</returns>
    public static int GatherFrom(ReadOnlySpan<float> values, float threshold, Span<int> indices, Span<float> gathered)
    {
        ref var start = ref MemoryMarshal.GetReference(values);
        var limit = Vector512.Create(threshold);
        var count = 0;
        var i = 0;
        for (; i <= values.Length - Lanes; i += Lanes)
        {
            var mask = Vector512.GreaterThanOrEqual(Vector512.LoadUnsafe(ref start, (nuint)i), limit).ExtractMostSignificantBits();
            for (; mask != 0; mask &= mask - 1)
            {
                count = Append(i + BitOperations.TrailingZeroCount(mask), values, indices, gathered, count);
            }
        }

        for (; i < values.Length; i++)
        {
            count = values[i] >= threshold ? Append(i, values, indices, gathered, count) : count;
        }

        return count;
    }

    /// <summary>Copies the values from least to greatest, both included, in order. In place is allowed.</summary>
    /// <returns>How many.</returns>
    public static int GatherWithin(ReadOnlySpan<float> values, float least, float greatest, Span<float> gathered)
    {
        ref var start = ref MemoryMarshal.GetReference(values);
        var from = Vector512.Create(least);
        var to = Vector512.Create(greatest);
        var count = 0;
        var i = 0;
        for (; i <= values.Length - Lanes; i += Lanes)
        {
            var block = Vector512.LoadUnsafe(ref start, (nuint)i);
            var mask = (Vector512.GreaterThanOrEqual(block, from) & Vector512.LessThanOrEqual(block, to)).ExtractMostSignificantBits();
            for (; mask != 0; mask &= mask - 1)
            {
                gathered[count++] = values[i + BitOperations.TrailingZeroCount(mask)];
            }
        }

        for (; i < values.Length; i++)
        {
            if (values[i] >= least && values[i] <= greatest)
            {
                gathered[count++] = values[i];
            }
        }

        return count;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static int Append(int index, ReadOnlySpan<float> values, Span<int> indices, Span<float> gathered, int count)
    {
        indices[count] = index;
        gathered[count] = values[index];
        return count + 1;
    }

    /// <summary>Lane by lane.</summary>
    private static double Sum(Vector512<double> values)
    {
        var sum = 0.0;
        for (var lane = 0; lane < Vector512<double>.Count; lane++)
        {
            sum += values[lane];
        }

        return sum;
    }
}
