using System.Globalization;
using System.Numerics;

namespace Loire.Text;

/// <summary>Numbers in strings, as Python's <c>int()</c> and <c>float()</c> read them.</summary>
internal static class Numbers
{
    private const int MaxDigits = 300;

    public static bool TryInteger(string text, int radix, out BigInteger value)
    {
        value = BigInteger.Zero;
        var digits = text.Trim();
        var negative = digits.StartsWith('-');
        digits = digits.TrimStart('-', '+').Replace("_", "", StringComparison.Ordinal);
        if (radix is 16 or 0 && digits.StartsWith("0x", StringComparison.OrdinalIgnoreCase))
        {
            (digits, radix) = (digits[2..], 16);
        }

        if (digits.Length is 0 or > MaxDigits)
        {
            return false;
        }

        foreach (var c in digits)
        {
            var digit = char.IsAsciiDigit(c) ? c - '0' : char.IsAsciiLetter(c) ? char.ToLowerInvariant(c) - 'a' + 10 : int.MaxValue;
            if (digit >= (radix == 0 ? 10 : radix))
            {
                return false;
            }

            value = (value * (radix == 0 ? 10 : radix)) + digit;
        }

        value = negative ? -value : value;
        return true;
    }

    public static bool TryFloat(string text, out double value) =>
        double.TryParse(text.Trim(), NumberStyles.Float, CultureInfo.InvariantCulture, out value) && text.Length <= MaxDigits;
}
