namespace Loire.Cuda;

/// <summary>A number of eight bits, e4m3: a sign, 4 bits of exponent, 3 of mantissa. Up to 448, in steps of 2⁻⁹ near zero; there is a NaN and no infinity. Only storage; arithmetic is in fp32.</summary>
/// <param name="Bits">As on the device.</param>
/// <remarks>Source: Micikevicius et al. 2022, arXiv:2209.05433.</remarks>
public readonly record struct Float8(byte Bits)
{
    /// <summary>The largest.</summary>
    public const float Most = 448;

    private const byte NaNBits = 0x7F;
    private const byte MostBits = 0x7E;
    private const float LeastNormal = 1f / 64;
    private const float StepsBelowNormal = 512;
    private const int MantissaShift = 20; // of fp32's 23 bits, to 3
    private const int ExponentShift = (127 - 7) << 3;

    /// <summary>Rounds to nearest, ties to even, as the device does; what is beyond the largest becomes that, and NaN stays NaN.</summary>
    public static explicit operator Float8(float value)
    {
        if (float.IsNaN(value))
        {
            return new Float8(NaNBits);
        }

        var sign = float.IsNegative(value) ? 0x80 : 0;
        var size = MathF.Abs(value);
        if (size >= Most)
        {
            return new Float8((byte)(sign | MostBits));
        }

        if (size < LeastNormal)
        {
            return new Float8((byte)(sign | (int)MathF.Round(size * StepsBelowNormal, MidpointRounding.ToEven)));
        }

        var bits = BitConverter.SingleToUInt32Bits(size);
        var rounded = (bits + (1u << (MantissaShift - 1)) - 1 + ((bits >> MantissaShift) & 1)) >> MantissaShift;
        return new Float8((byte)(sign | (int)(rounded - ExponentShift)));
    }

    public static implicit operator float(Float8 value)
    {
        var (exponent, mantissa) = ((value.Bits >> 3) & 15, value.Bits & 7);
        var size = (exponent, mantissa) switch
        {
            (15, 7) => float.NaN,
            (0, _) => mantissa / StepsBelowNormal,
            _ => BitConverter.Int32BitsToSingle(((exponent << 3) + mantissa + ExponentShift) << MantissaShift),
        };
        return value.Bits >= 0x80 ? -size : size;
    }

    public override string ToString() => ((float)this).ToString();
}
