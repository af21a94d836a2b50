namespace Loire.Repository.Tests;

/// <summary>The files of the repository that this assembly was built in, without what builds and runs leave there.</summary>
internal static class RepositoryFiles
{
    private static readonly string[] Ignored = [".git", ".vs", ".vscode", "bin", "obj", "TestResults", "node_modules"];

    public static string Root { get; } = FindRoot();

    /// <summary>Paths below the root, with '/' between the folders, in order.</summary>
    public static IReadOnlyList<string> All { get; } = [.. Walk(new DirectoryInfo(Root)).Select(Relative).Order(StringComparer.Ordinal)];

    public static string Read(string path) => File.ReadAllText(Path.Combine(Root, path));

    /// <summary>Null for a file that is not text, or longer than text ought to be.</summary>
    public static string? ReadText(string path)
    {
        var file = new FileInfo(Path.Combine(Root, path));
        if (file.Length > 1 << 20)
        {
            return null;
        }

        var text = File.ReadAllText(file.FullName);
        return text.Contains('\0', StringComparison.Ordinal) ? null : text;
    }

    public static bool Exists(string path) => Path.Exists(Path.Combine(Root, path));

    private static string FindRoot()
    {
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "Cluster.sln")))
        {
            folder = folder.Parent;
        }

        return folder?.FullName ?? throw new InvalidOperationException($"No folder above {AppContext.BaseDirectory} has Cluster.sln.");
    }

    private static string Relative(FileInfo file) => Path.GetRelativePath(Root, file.FullName).Replace(Path.DirectorySeparatorChar, '/');

    private static IEnumerable<FileInfo> Walk(DirectoryInfo folder)
    {
        var isData = folder.Name == "data" && folder.Parent?.FullName == Root; // sessions of a server that somebody ran here
        if (Ignored.Contains(folder.Name) || isData || folder.LinkTarget is not null)
        {
            return [];
        }

        return folder.EnumerateFiles().Concat(folder.EnumerateDirectories().SelectMany(Walk));
    }
}
