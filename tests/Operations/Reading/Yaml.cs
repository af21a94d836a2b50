global using Loire.Repository.Tests;
using YamlDotNet.RepresentationModel;

namespace Loire.Operations.Tests;

/// <summary>YAML files of the repository, read without a schema.</summary>
internal static class Yaml
{
    public static IEnumerable<YamlMappingNode> Documents(string path)
    {
        using var reader = new StringReader(RepositoryFiles.Read(path));
        var stream = new YamlStream();
        stream.Load(new YamlDotNet.Core.MergingParser(new YamlDotNet.Core.Parser(reader)));
        return stream.Documents.Select(document => (YamlMappingNode)document.RootNode).ToArray();
    }

    /// <summary>Null when it is not there.</summary>
    public static YamlNode? At(this YamlNode? node, params string[] path)
    {
        foreach (var name in path)
        {
            node = node is YamlMappingNode map && map.Children.TryGetValue(new YamlScalarNode(name), out var child) ? child : null;
        }

        return node;
    }

    public static string? Text(this YamlNode? node) => (node as YamlScalarNode)?.Value;

    public static IReadOnlyList<YamlNode> Items(this YamlNode? node) => (node as YamlSequenceNode)?.Children.ToArray() ?? [];

    public static IReadOnlyDictionary<string, YamlNode> Members(this YamlNode? node) =>
        (node as YamlMappingNode)?.Children.ToDictionary(pair => pair.Key.Text() ?? "", pair => pair.Value) ?? [];
}
