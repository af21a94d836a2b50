using System.Collections.Immutable;
using Loire.Engine.Models;
using Loire.Store;
using Loire.Text;

namespace Loire.Silo.Models;

/// <summary>A model that this silo can run: its identity, the sizes that plans are made with, and how its tokens become text.</summary>
public sealed record ServedModel
{
    /// <summary>What clients call it: the folder's name.</summary>
    public required string Id { get; init; }

    public required string Folder { get; init; }
    public required Digest Digest { get; init; }
    public required string Family { get; init; }
    public required int Layers { get; init; }

    /// <summary>Experts of a layer; 0 when the model has none.</summary>
    public required int Experts { get; init; }

    public required int VocabularySize { get; init; }

    /// <summary>Most positions that the model knows.</summary>
    public required int ContextLength { get; init; }

    public required ImmutableArray<int> EndTokens { get; init; }
    public required Tokenizer Tokenizer { get; init; }

    /// <summary>Where weights are read from. Null for a model that only a scripted engine runs.</summary>
    public ModelFolder? Source { get; init; }

    /// <summary>Reads config and tokenizer, not the weights.</summary>
    public static ServedModel Open(string folder)
    {
        var source = ModelFolder.Open(folder);
        var graph = source.Graph;
        return new ServedModel
        {
            Id = source.Name,
            Folder = source.Path,
            Digest = Digest.Parse(source.Digest),
            Family = graph.ModelType,
            Layers = graph.Layers.Length,
            Experts = graph.Layers.Select(layer => (layer.FeedForward as MoeSpec)?.Experts ?? 0).DefaultIfEmpty(0).Max(),
            VocabularySize = graph.VocabularySize,
            ContextLength = graph.ContextLength,
            EndTokens = graph.EndTokens,
            Tokenizer = Tokenizer.Load(Path.Combine(source.Path, "tokenizer.json")),
            Source = source,
        };
    }
}
