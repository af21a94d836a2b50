using System.Text.Json;

namespace Loire.Text.Tests;

/// <summary>The demo model's text files, found from the test's own folder upwards.</summary>
internal static class DemoModel
{
    public static string Folder { get; } = Find();

    public static Tokenizer Tokenizer { get; } = Tokenizer.Load(Path.Combine(Folder, "tokenizer.json"));

    public static byte[] TokenizerJson => File.ReadAllBytes(Path.Combine(Folder, "tokenizer.json"));

    public static JsonElement Reference => JsonDocument.Parse(File.ReadAllBytes(Path.Combine(Folder, "reference.json"))).RootElement;

    private static string Find()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            var model = Path.Combine(folder.FullName, "ops", "models", "loire-demo");
            if (Directory.Exists(model))
            {
                return model;
            }
        }

        throw new DirectoryNotFoundException($"No ops/models/loire-demo above {AppContext.BaseDirectory}.");
    }
}
