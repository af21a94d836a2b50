using System.Globalization;
using System.Text;

namespace Loire.Text;

/// <summary><c>strftime</c>, in English.</summary>
internal static class TimeFormat
{
    public static string Write(DateTimeOffset time, string format)
    {
        var result = new StringBuilder();
        for (var i = 0; i < format.Length; i++)
        {
            if (format[i] != '%' || i + 1 == format.Length)
            {
                result.Append(format[i]);
                continue;
            }

            var unpadded = format[++i] == '-' && i + 1 < format.Length;
            var field = Field(time, format[unpadded ? ++i : i]);
            result.Append(unpadded && field.Length > 1 ? field.TrimStart('0') is { Length: > 0 } trimmed ? trimmed : "0" : field);
        }

        return result.ToString();
    }

    private static string Field(DateTimeOffset time, char code)
    {
        var culture = CultureInfo.InvariantCulture;
        return code switch
        {
            'a' => time.ToString("ddd", culture),
            'A' => time.ToString("dddd", culture),
            'b' or 'h' => time.ToString("MMM", culture),
            'B' => time.ToString("MMMM", culture),
            'c' => time.ToString("ddd MMM ", culture) + $"{time.Day,2}" + time.ToString(" HH:mm:ss yyyy", culture),
            'd' => time.ToString("dd", culture),
            'D' or 'x' => time.ToString("MM/dd/yy", culture),
            'e' => $"{time.Day,2}",
            'f' => time.ToString("ffffff", culture),
            'F' => time.ToString("yyyy-MM-dd", culture),
            'H' => time.ToString("HH", culture),
            'I' => time.ToString("hh", culture),
            'j' => time.DayOfYear.ToString("000", culture),
            'm' => time.ToString("MM", culture),
            'M' => time.ToString("mm", culture),
            'p' => time.Hour < 12 ? "AM" : "PM",
            'S' => time.ToString("ss", culture),
            'T' or 'X' => time.ToString("HH:mm:ss", culture),
            'u' => (time.DayOfWeek == DayOfWeek.Sunday ? 7 : (int)time.DayOfWeek).ToString(culture),
            'w' => ((int)time.DayOfWeek).ToString(culture),
            'y' => time.ToString("yy", culture),
            'Y' => time.ToString("yyyy", culture),
            'z' => time.ToString("zzz", culture).Replace(":", "", StringComparison.Ordinal),
            '%' => "%",
            _ => throw new TemplateFault($"time format '%{code}' is not supported"),
        };
    }
}
