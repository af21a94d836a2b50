namespace Loire.Cli.Terminal;

/// <summary>Where the demo model and the default data directory are.</summary>
internal static class Places
{
    private static readonly string DemoModelInRepository = Path.Combine("ops", "models", "loire-demo");

    /// <summary>The repository that this program was built in: <c>LOIRE_HOME</c>, or the first folder above the program that has the demo model.</summary>
    public static string? Home { get; } = Environment.GetEnvironmentVariable("LOIRE_HOME") ?? FindAbove(AppContext.BaseDirectory);

    public static string? DemoModel => Home is { } home && Directory.Exists(Path.Combine(home, DemoModelInRepository))
        ? Path.Combine(home, DemoModelInRepository)
        : null;

    /// <summary><c>data</c> in the repository; without one, in the working directory.</summary>
    public static string Data => Path.Combine(Home ?? Environment.CurrentDirectory, "data");

    public static string BenchmarkResults => Path.Combine(
        Home ?? throw new CommandFailedException("--write-results needs the repository; set LOIRE_HOME to its folder.", exitCode: 2), "tests", "Benchmarks", "results");

    private static string? FindAbove(string start)
    {
        for (var folder = new DirectoryInfo(start); folder is not null; folder = folder.Parent)
        {
            if (Directory.Exists(Path.Combine(folder.FullName, DemoModelInRepository)))
            {
                return folder.FullName;
            }
        }

        return null;
    }
}
