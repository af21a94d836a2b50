namespace Loire.Gpu.Tests.Running;

/// <summary>What the program was asked for.</summary>
internal sealed record Arguments
{
    public const string Usage = """
        usage: Loire.Gpu.Tests [--tests TEXT|all|none] [--bench TEXT|all|none] [--jobs N] [--patience SECONDS] [--results DIR] [--sanitize TOOL] [--list]
          --tests     classes whose name has TEXT (several: A,B); all when not given
          --bench     benchmarks whose name has TEXT; all when not given. They run only if every test passed
          --jobs      test classes at once, each in a process of its own
          --patience  seconds without a finished test after which a class is stopped
          --results   where the pages of results go, in a folder of the GPU's name; none are written when not given
          --sanitize  runs the tests under compute-sanitizer: memcheck, racecheck, initcheck or synccheck
        """;

    public string[] Tests { get; private init; } = [""];

    public string[] Benchmarks { get; private init; } = [""];

    public int Jobs { get; private init; } = Math.Clamp(Environment.ProcessorCount / 2, 1, 6);

    public TimeSpan Patience { get; private init; } = TimeSpan.FromSeconds(150);

    public string? Results { get; private init; }

    public string? Sanitizer { get; private init; }

    public bool List { get; private init; }

    /// <summary>The class that a child process runs.</summary>
    public string? Class { get; private init; }

    public string[] All { get; private init; } = [];

    /// <exception cref="ArgumentException">One is not known or lacks its value.</exception>
    public static Arguments Parse(string[] words)
    {
        var parsed = new Arguments { All = words };
        for (var i = 0; i < words.Length; i++)
        {
            string Value() => ++i < words.Length ? words[i] : throw new ArgumentException($"{words[i - 1]} needs a value.");
            parsed = words[i] switch
            {
                "--tests" => parsed with { Tests = Names(Value()) },
                "--bench" => parsed with { Benchmarks = Names(Value()) },
                "--jobs" => parsed with { Jobs = Math.Max(1, int.Parse(Value())) },
                "--patience" => parsed with { Patience = TimeSpan.FromSeconds(int.Parse(Value())) },
                "--results" => parsed with { Results = Value() },
                "--sanitize" => parsed with { Sanitizer = Value() },
                "--class" => parsed with { Class = Value() },
                "--list" => parsed with { List = true },
                var other => throw new ArgumentException($"{other} is not known."),
            };
        }

        return parsed;
    }

    public static bool Matches(string[] wanted, string name) => Array.Exists(wanted, part => name.Contains(part, StringComparison.OrdinalIgnoreCase));

    private static string[] Names(string value) => value switch
    {
        "none" => [],
        "" or "all" => [""],
        _ => value.Split(',', StringSplitOptions.RemoveEmptyEntries),
    };
}
