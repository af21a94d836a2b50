using System.CommandLine;

namespace Loire.Cli.Bench;

/// <summary><c>loire bench</c>: speed on this machine.</summary>
internal static class BenchCommand
{
    public static Command Create() => new("bench", "Measures speed on this machine.");
}
