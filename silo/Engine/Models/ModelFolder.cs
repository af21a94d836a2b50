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

    /// <summary>Identity of the model, 64 lower-case hexadecimal digits: stored state is refused by a model of another digest.</summary>
    /// <remarks>
    /// SHA-256 over <c>config.json</c> and the weight files, under their names. A file of up to 256 MiB counts with all its bytes; a larger one,
    /// which would take long to read, with its length, its header and three samples of each tensor: it does not show every edit of a few values.
    /// </remarks>
    public string Digest { get; }

    /// <summary>Reads the config, checks that every tensor that it needs is there, of the right shape and of a type that can be read, and computes the digest.</summary>
    /// <exception cref="ModelFormatException">Says what in which file cannot be used.</exception>
    public static ModelFolder Open(string path)
    {
        var absolute = System.IO.Path.TrimEndingDirectorySeparator(System.IO.Path.GetFullPath(path));
        var graph = ModelConfig.Load(absolute);
        using var weights = WeightSource.OpenMapped(absolute);
        CheckTensors(graph, weights);
        return new ModelFolder(absolute, graph, ModelDigest.Compute(absolute, weights));
    }

    /// <summary>Reads only the config, for weights that are made up: the digest is of the config and the seed, so that no state passes for another model's.</summary>
    /// <param name="path">Of the folder with <c>config.json</c>.</param>
    /// <param name="seed">Of the weights.</param>
    /// <exception cref="ModelFormatException">Says what in which file cannot be used.</exception>
    public static ModelFolder OpenSynthetic(string path, ulong seed)
    {
        var absolute = System.IO.Path.TrimEndingDirectorySeparator(System.IO.Path.GetFullPath(path));
        var config = File.ReadAllBytes(System.IO.Path.Combine(absolute, ModelConfig.FileName));
        byte[] identity = [.. System.Text.Encoding.UTF8.GetBytes($"synthetic {seed}\n"), .. config];
        return new ModelFolder(absolute, ModelConfig.Load(absolute), Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(identity)));
    }

    /// <summary>Maps the weights; the caller disposes them.</summary>
    public IWeightSource OpenWeights() => WeightSource.Open(Path);

    private static void CheckTensors(ModelGraph graph, MappedWeights weights)
    {
        foreach (var tensor in graph.RequiredTensors())
        {
            var view = weights.Get(tensor.Name, tensor.Shape);
            if (view.Type is not (TensorType.F32 or TensorType.BF16 or TensorType.F16))
            {
                throw new ModelFormatException(weights.PathOf(tensor.Name), $"tensor '{tensor.Name}' has type {view.Type.Name()}; expected F32, BF16 or F16.");
            }
        }
    }
}
