namespace Loire.Engine.Tests.Weights;

/// <summary>Where fixtures and the demo model lie.</summary>
internal static class RepositoryPaths
{
    private static readonly string Root = FindRoot();

    public static string Fixture(string name) => Path.Combine(Root, "tests", "fixtures", name);

    public static string DemoModel => Path.Combine(Root, "ops", "models", "loire-demo");

    private static string FindRoot()
    {
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "Cluster.sln")))
        {
            folder = folder.Parent;
        }

        return folder?.FullName ?? throw new InvalidOperationException($"No folder above {AppContext.BaseDirectory} holds Cluster.sln.");
    }
}
