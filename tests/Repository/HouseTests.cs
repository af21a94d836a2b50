using System.Text.RegularExpressions;

namespace Loire.Repository.Tests;

/// <summary>What keeps the repository readable, and runnable on a machine that nobody here has seen.</summary>
public sealed partial class HouseTests
{
    private const int MostLines = 600;

    /// <summary>Files that are one long thing, with the reason.</summary>
    private static readonly string[] LongFiles = [];

    /// <summary>The only addresses that code and scripts may reach for; documents may link anywhere.</summary>
    private static readonly string[] Hosts = ["localhost", "127.0.0.1", "0.0.0.0", "dotnet.microsoft.com", "prometheus"];

    private static readonly string[] CodeExtensions = [".cs", ".sh", ".csproj", ".props", ".targets", ".json", ".yml", ".yaml", ".html", ".js", ".css", ".sln", ".config", ""];

    public static TheoryData<string> Scripts => ["ops/run", "ops/test", "ops/bench", "ops/loire", ".ci/run"];

    [Theory]
    [MemberData(nameof(Scripts))]
    public void A_script_is_executable_and_stops_at_its_first_error(string path)
    {
        Assert.True(RepositoryFiles.Exists(path), $"{path} is missing.");
        Assert.Contains("set -euo pipefail", RepositoryFiles.Read(path), StringComparison.Ordinal);
        if (!OperatingSystem.IsWindows())
        {
            Assert.True(File.GetUnixFileMode(Path.Combine(RepositoryFiles.Root, path)).HasFlag(UnixFileMode.UserExecute), $"{path} is not executable.");
        }
    }

    [Fact]
    public void No_source_file_is_too_long_to_read()
    {
        var tooLong = RepositoryFiles.All
            .Where(path => path.EndsWith(".cs", StringComparison.Ordinal) && !LongFiles.Contains(path))
            .Select(path => (path, lines: RepositoryFiles.Read(path).Count(character => character == '\n')))
            .Where(file => file.lines > MostLines);

        Assert.Empty(tooLong);
    }

    [Fact]
    public void No_file_knows_the_machine_that_it_was_written_on()
    {
        var found = TextFiles().SelectMany(file => MachinePath().Matches(file.Text).Select(match => $"{file.Path}: {match.Value}"));

        Assert.Empty(found);
    }

    [Fact]
    public void No_code_reaches_for_a_host_that_is_not_known()
    {
        var found = TextFiles()
            .Where(file => CodeExtensions.Contains(Path.GetExtension(file.Path)) && !file.Path.StartsWith("ops/models/", StringComparison.Ordinal))
            .SelectMany(file => Address().Matches(file.Text).Select(match => (file.Path, Host: match.Groups["host"].Value)))
            .Where(found => !Hosts.Contains(found.Host) && !found.Host.EndsWith(".example", StringComparison.Ordinal) && !found.Host.EndsWith("example.com", StringComparison.Ordinal));

        Assert.Empty(found);
    }

    [Fact]
    public void The_readme_names_only_what_exists()
    {
        var missing = PathInText().Matches(RepositoryFiles.Read("README.md"))
            .Select(match => match.Groups["path"].Value.TrimEnd('/', '.'))
            .Distinct()
            .Where(path => !RepositoryFiles.Exists(path));

        Assert.Empty(missing);
    }

    private static IEnumerable<(string Path, string Text)> TextFiles()
    {
        foreach (var path in RepositoryFiles.All)
        {
            if (RepositoryFiles.ReadText(path) is { } text)
            {
                yield return (path, text);
            }
        }
    }

    // The first letter in brackets, so that this file does not find itself.
    [GeneratedRegex("(?<![A-Za-z0-9_.~-])/(?:[w]ork|[r]oot|[h]ome|[U]sers)/[A-Za-z0-9_.-]+|(?<![A-Za-z0-9_.~-])/[t]mp/[A-Za-z0-9_.-]*|C:\\\\[U]sers")]
    private static partial Regex MachinePath();

    [GeneratedRegex(@"https?://(?<host>[A-Za-z0-9][A-Za-z0-9.-]*)")]
    private static partial Regex Address();

    // A link's target, or words in backquotes that begin with a top folder.
    [GeneratedRegex(@"(?:\]\(|`)(?<path>(?:ops|shared|silo|gateway|tests|\.ci)/[A-Za-z0-9_./-]*)")]
    private static partial Regex PathInText();
}
