using Loire.Contracts;
using Loire.Text;

namespace Loire.Gateway.Tests;

/// <summary>The repository's demo model: its real tokenizer and template, with answers from scripts.</summary>
internal static class DemoModel
{
    public const string Id = "loire-demo";
    public const int EndOfTurn = 2;

    public static string Folder { get; } = Path.Combine(SolutionRoot(), "ops", "models", "loire-demo");

    public static Tokenizer Tokenizer { get; } = Tokenizer.Load(Path.Combine(Folder, "tokenizer.json"));

    public static ModelView View(int contextTokens = 4096) => new()
    {
        Id = Id,
        Family = "minimax",
        Digest = "sha256:0123456789abcdef0123456789abcdef",
        Folder = Folder,
        ContextTokens = contextTokens,
        VocabularySize = 4096,
        LoadedAt = DateTimeOffset.UnixEpoch.AddDays(20_000),
    };

    private static string SolutionRoot()
    {
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "Cluster.sln")))
        {
            folder = folder.Parent;
        }

        return folder?.FullName ?? throw new InvalidOperationException($"No Cluster.sln above {AppContext.BaseDirectory}.");
    }
}
