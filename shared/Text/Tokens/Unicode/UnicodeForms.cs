using System.Globalization;
using System.Text;

namespace Loire.Text;

/// <summary>Unicode normalisation: NFC, NFD, NFKC, NFKD (Unicode Standard Annex 15).</summary>
/// <remarks>.NET leaves text as it is where globalization is invariant, which it is here, so the tables are our own.</remarks>
internal static class UnicodeForms
{
    private static readonly Lazy<UnicodeTables> s_tables = new(UnicodeTables.Load);

    public static string Normalize(string text, bool compose, bool compatibility)
    {
        // Nothing below U+00A0 decomposes, combines or composes.
        if (text.AsSpan().IndexOfAnyExceptInRange('\0', '\u009F') < 0)
        {
            return text;
        }

        var points = Decompose(text, compatibility);
        Reorder(points);
        var count = compose ? Compose(points) : points.Count;
        var result = new StringBuilder(text.Length);
        for (var i = 0; i < count; i++)
        {
            result.Append(new Rune(points[i]));
        }

        return result.ToString();
    }

    private static List<int> Decompose(string text, bool compatibility)
    {
        var tables = s_tables.Value;
        var points = new List<int>(text.Length);
        foreach (var rune in text.EnumerateRunes())
        {
            var code = rune.Value;
            if (Hangul.TryDecompose(code, points))
            {
                continue;
            }

            if (code >= 0xA0 && tables.TryDecompose(code, compatibility, out var parts))
            {
                points.AddRange(parts);
            }
            else
            {
                points.Add(code);
            }
        }

        return points;
    }

    /// <summary>Sorts each run of combining marks by class, keeping the order of equals.</summary>
    private static void Reorder(List<int> points)
    {
        var tables = s_tables.Value;
        for (var start = 0; start < points.Count; start++)
        {
            if (tables.ClassOf(points[start]) == 0)
            {
                continue;
            }

            var end = start + 1;
            while (end < points.Count && tables.ClassOf(points[end]) != 0)
            {
                end++;
            }

            if (end - start > 1)
            {
                var sorted = points.GetRange(start, end - start).OrderBy(tables.ClassOf).ToArray(); // stable
                for (var i = 0; i < sorted.Length; i++)
                {
                    points[start + i] = sorted[i];
                }
            }

            start = end - 1;
        }
    }

    private static int Compose(List<int> points)
    {
        var tables = s_tables.Value;
        var count = 0;
        var starter = -1;
        var lastClass = -1;
        for (var i = 0; i < points.Count; i++)
        {
            var point = points[i]; // what is composed moves to the front of the same list
            var mark = tables.ClassOf(point);
            var isBlocked = starter >= 0 && lastClass >= mark && lastClass != -1;
            if (starter >= 0 && !isBlocked && (Hangul.TryCompose(points[starter], point, out var whole) || tables.TryCompose(points[starter], point, out whole)))
            {
                points[starter] = whole;
                continue;
            }

            if (mark == 0)
            {
                starter = count;
                lastClass = -1;
            }
            else
            {
                lastClass = mark;
            }

            points[count++] = point;
        }

        return count;
    }

    private static class Hangul
    {
        private const int S = 0xAC00, L = 0x1100, V = 0x1161, T = 0x11A7;
        private const int LCount = 19, VCount = 21, TCount = 28, SCount = LCount * VCount * TCount;

        public static bool TryDecompose(int code, List<int> points)
        {
            var index = code - S;
            if (index is < 0 or >= SCount)
            {
                return false;
            }

            points.Add(L + (index / (VCount * TCount)));
            points.Add(V + (index % (VCount * TCount) / TCount));
            if (index % TCount != 0)
            {
                points.Add(T + (index % TCount));
            }

            return true;
        }

        public static bool TryCompose(int first, int second, out int whole)
        {
            whole = 0;
            if (first is >= L and < L + LCount && second is >= V and < V + VCount)
            {
                whole = S + ((((first - L) * VCount) + second - V) * TCount);
            }
            else if (first is >= S and < S + SCount && (first - S) % TCount == 0 && second is > T and < T + TCount)
            {
                whole = first + second - T;
            }

            return whole != 0;
        }
    }
}

/// <summary>The embedded table, as unicode_forms.py writes it.</summary>
internal sealed class UnicodeTables
{
    private readonly Dictionary<int, int[]> _canonical = [];
    private readonly Dictionary<int, int[]> _compatibility = [];
    private readonly Dictionary<int, byte> _classes = [];
    private readonly Dictionary<(int First, int Second), int> _pairs = [];

    public static UnicodeTables Load()
    {
        var tables = new UnicodeTables();
        using var stream = typeof(UnicodeTables).Assembly.GetManifestResourceStream("unicode-forms.txt")
            ?? throw new InvalidOperationException("The assembly lacks its resource unicode-forms.txt.");
        using var reader = new StreamReader(stream);
        while (reader.ReadLine() is { } line)
        {
            tables.Read(line.Split(' '));
        }

        foreach (var code in tables._canonical.Keys.ToArray())
        {
            tables._canonical[code] = [.. tables.Expand(code)];
        }

        return tables;
    }

    public int ClassOf(int code) => code < 0x300 ? 0 : _classes.GetValueOrDefault(code);

    public bool TryDecompose(int code, bool compatibility, out int[] parts) =>
        (compatibility && _compatibility.TryGetValue(code, out parts!)) || _canonical.TryGetValue(code, out parts!);

    public bool TryCompose(int first, int second, out int whole) => _pairs.TryGetValue((first, second), out whole);

    private void Read(string[] fields)
    {
        switch (fields[0])
        {
            case "c":
                for (var code = Hex(fields[1]); code <= Hex(fields[2]); code++)
                {
                    _classes[code] = byte.Parse(fields[3], CultureInfo.InvariantCulture);
                }

                break;
            case "d" or "x":
                var parts = fields[2..].Select(Hex).ToArray();
                _canonical[Hex(fields[1])] = parts;
                if (fields[0] == "d")
                {
                    _pairs[(parts[0], parts[1])] = Hex(fields[1]);
                }

                break;
            case "k":
                _compatibility[Hex(fields[1])] = [.. fields[2..].Select(Hex)];
                break;
        }
    }

    private IEnumerable<int> Expand(int code) =>
        _canonical.TryGetValue(code, out var parts) ? parts.SelectMany(Expand) : [code];

    private static int Hex(string text) => int.Parse(text, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture);
}
