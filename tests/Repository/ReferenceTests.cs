using System.Xml.Linq;

namespace Loire.Repository.Tests;

/// <summary>Who may know whom. Gateway and silo meet only in Contracts; the engine knows no actors, no HTTP and no store.</summary>
public sealed class ReferenceTests
{
    /// <summary>Every project outside of tests, and all that it may refer to.</summary>
    private static readonly Dictionary<string, string[]> Allowed = new(StringComparer.Ordinal)
    {
        ["shared/Actors.Generators"] = [],
        ["shared/Actors"] = ["shared/Actors.Generators"], // as an analyzer
        ["shared/Actors.Redis"] = ["shared/Actors"],
        ["shared/Contracts"] = ["shared/Actors"],
        ["shared/Telemetry"] = [],
        ["shared/Text"] = [],
        ["silo/Cuda"] = [],
        ["silo/Kernels"] = ["silo/Cuda"],
        ["silo/Engine"] = ["silo/Kernels", "silo/Cuda", "shared/Text", "shared/Telemetry"],
        ["silo/Store"] = ["shared/Telemetry"],
        ["silo/Store.Redis"] = ["silo/Store"],
        ["silo/Host"] = ["silo/Engine", "silo/Store", "shared/Contracts", "shared/Actors", "shared/Text", "shared/Telemetry"],
        ["gateway"] = ["shared/Contracts", "shared/Actors", "shared/Text", "shared/Telemetry"],
        ["ops/cli"] = ["gateway", "silo/Host", "silo/Engine", "silo/Store.Redis", "shared/Actors.Redis", "shared/Text"],
    };

    public static TheoryData<string> ProductProjects =>
        [.. RepositoryFiles.All.Where(path => path.EndsWith(".csproj", StringComparison.Ordinal) && !path.StartsWith("tests/", StringComparison.Ordinal)).Select(FolderOf)];

    public static TheoryData<string> AllProjects =>
        [.. RepositoryFiles.All.Where(path => path.EndsWith(".csproj", StringComparison.Ordinal))];

    [Theory]
    [MemberData(nameof(ProductProjects))]
    public void A_project_refers_only_to_those_below_it(string project)
    {
        Assert.True(Allowed.ContainsKey(project), $"{project} is new: write here what it may refer to.");
        var references = ReferencesOf(project);

        var forbidden = references.Except(Allowed[project]).ToArray();

        Assert.True(forbidden.Length == 0, $"{project} may refer to [{string.Join(", ", Allowed[project])}], but refers to [{string.Join(", ", forbidden)}].");
    }

    [Fact]
    public void Gateway_and_silo_are_joined_nowhere_but_in_the_embedded_server()
    {
        var both = Allowed.Keys.Where(RepositoryFiles.Exists).Where(project => Reaches(project, "gateway") && Reaches(project, "silo/Host"));

        Assert.Equal(["ops/cli"], both);
    }

    [Fact]
    public void No_product_refers_to_tests()
    {
        var referring = Allowed.Keys.Where(RepositoryFiles.Exists).Where(project => ReferencesOf(project).Any(reference => reference.StartsWith("tests/", StringComparison.Ordinal)));

        Assert.Empty(referring);
    }

    [Theory]
    [MemberData(nameof(AllProjects))]
    public void A_project_is_in_the_solution_and_names_no_package_version(string path)
    {
        var solution = RepositoryFiles.Read("Cluster.sln").Replace('\\', '/');
        var versions = XDocument.Parse(RepositoryFiles.Read(path)).Descendants("PackageReference").Where(package => package.Attribute("Version") is not null);

        Assert.Contains($"\"{path}\"", solution, StringComparison.Ordinal);
        Assert.Empty(versions); // Directory.Packages.props has them
    }

    [Fact]
    public void The_default_build_asks_for_no_package_of_Orleans()
    {
        var asking = RepositoryFiles.All
            .Where(path => Path.GetExtension(path) is ".csproj" or ".props" or ".targets")
            .SelectMany(path => XDocument.Parse(RepositoryFiles.Read(path)).Descendants()
                .Where(item => item.Attribute("Include")?.Value.StartsWith("Microsoft.Orleans", StringComparison.Ordinal) == true)
                .Where(item => item.Parent!.Attribute("Condition")?.Value != "'$(ActorRuntime)' == 'orleans'")
                .Select(item => $"{path}: {item}"));

        Assert.Empty(asking);
    }

    /// <summary>Folders of the projects that a project refers to.</summary>
    private static string[] ReferencesOf(string project)
    {
        var path = RepositoryFiles.All.Single(file => file.EndsWith(".csproj", StringComparison.Ordinal) && FolderOf(file) == project);
        return
        [
            .. XDocument.Parse(RepositoryFiles.Read(path)).Descendants("ProjectReference")
                .Select(reference => Path.GetFullPath(Path.Combine(RepositoryFiles.Root, project, reference.Attribute("Include")!.Value.Replace('\\', '/'))))
                .Select(full => FolderOf(Path.GetRelativePath(RepositoryFiles.Root, full).Replace('\\', '/'))),
        ];
    }

    private static bool Reaches(string project, string target) =>
        project == target || ReferencesOf(project).Any(reference => Reaches(reference, target));

    private static string FolderOf(string path) => path[..path.LastIndexOf('/')];
}
