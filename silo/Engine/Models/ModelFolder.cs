using Loire.Engine.Weights;

namespace Loire.Engine.Models;

/// <summary>A model on disk: its graph and its identity.</summary>
public sealed class ModelFolder
{
    private ModelFolder(string path, ModelGraph graph, string digest)
    {
        Path = path;
        Graph = graph;
        Digest = digest;
    }

    /// <summary>Absolute.</summary>
    public string Path { get; }

    /// <summary>The folder's own name.</summary>
    public string Name => System.IO.Path.GetFileName(Path);

    public ModelGraph Graph { get; }

    /// <summary>Identity of the model: 64 lower-case hexadecimal digits.</summary>
    public string Digest { get; }

    public static ModelFolder Open(string path) => throw new NotImplementedException();

    /// <summary>Maps the weights; the caller disposes them.</summary>
    public IWeightSource OpenWeights() => WeightSource.Open(Path);
}
