namespace Loire.Cuda;

/// <summary>The upper half of an fp32: 8 bits of exponent, 7 of mantissa. Only storage; arithmetic is in fp32.</summary>
/// <param name="Bits">As on the device.</param>
public readonly record struct BFloat16(ushort Bits)
{
    /// <summary>Rounds to nearest, ties to even, as the device does. NaN stays NaN.</summary>
    public static explicit operator BFloat16(float value)
    {
        var bits = BitConverter.SingleToUInt32Bits(value);
        if (float.IsNaN(value))
        {
            return new BFloat16((ushort)((bits >> 16) | 0x40));
        }

        return new BFloat16((ushort)((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16));
    }

    public static implicit operator float(BFloat16 value) => BitConverter.UInt32BitsToSingle((uint)value.Bits << 16);

    public override string ToString() => ((float)this).ToString();
}
