using System.Text.RegularExpressions;
using Loire.Contracts;

namespace Loire.Operations.Tests;

/// <summary>Whoever is called at night finds a page, and on it what to do.</summary>
public sealed partial class RunbookTests
{
    private const string Folder = "ops/runbooks/";
    private const string Contents = Folder + "README.md";

    private static readonly string[] Parts = ["## Symptoms", "## What it means", "## What to do", "## It is over when"];

    public static TheoryData<string> Pages =>
        [.. RepositoryFiles.All.Where(file => file.StartsWith(Folder, StringComparison.Ordinal) && file.EndsWith(".md", StringComparison.Ordinal) && file != Contents)];

    public static TheoryData<string> Documents =>
        [.. RepositoryFiles.All.Where(file => file.StartsWith("ops/", StringComparison.Ordinal) && file.EndsWith(".md", StringComparison.Ordinal)), "README.md"];

    [Theory]
    [MemberData(nameof(Pages))]
    public void A_page_has_its_four_parts_in_order_and_is_in_the_contents(string page)
    {
        var text = RepositoryFiles.Read(page);
        var places = Parts.Select(part => text.IndexOf(part + "\n", StringComparison.Ordinal)).ToArray();

        Assert.DoesNotContain(-1, places);
        Assert.Equal(places.Order(), places);
        Assert.Contains($"({Path.GetFileName(page)})", RepositoryFiles.Read(Contents), StringComparison.Ordinal);
    }

    [Fact]
    public void Every_failure_code_has_a_row_that_leads_somewhere()
    {
        var contents = RepositoryFiles.Read(Contents);

        Assert.All(Enum.GetNames<FailureCode>(), code => Assert.Matches($@"(?m)^\| `{code}` \|.*\|\s*$", contents));
    }

    [Theory]
    [MemberData(nameof(Documents))]
    public void A_link_leads_to_a_file_that_is_there(string document)
    {
        var folder = Path.GetDirectoryName(document)!;
        var missing = Link().Matches(RepositoryFiles.Read(document))
            .Select(match => match.Groups["target"].Value)
            .Where(target => !target.Contains("://", StringComparison.Ordinal) && !RepositoryFiles.Exists(Path.Combine(folder, target)));

        Assert.Empty(missing);
    }

    [GeneratedRegex(@"\]\((?<target>[^)#\s]+)(?:#[^)]*)?\)")]
    private static partial Regex Link();
}
