namespace Loire.Engine.Weights;

/// <summary>Where a model's tensors come from, by name.</summary>
public interface IWeightSource : IDisposable
{
    bool Contains(string name);

    /// <summary>The tensor; when a shape is given, it must be exactly that. Without one any shape will do.</summary>
    /// <exception cref="ModelFormatException">Names the tensor, the file, the shape found and the shape expected.</exception>
    TensorView Get(string name, params ReadOnlySpan<int> shape);
}

/// <summary>Opens the weights of a model folder.</summary>
public static class WeightSource
{
    public const string SingleFile = "model.safetensors";
    public const string IndexFile = "model.safetensors.index.json";

    /// <summary><c>model.safetensors</c>, or the shards that <c>model.safetensors.index.json</c> lists.</summary>
    /// <exception cref="ModelFormatException">Neither is there, a shard is missing or lies outside the folder, or a listed tensor is not in its shard.</exception>
    public static IWeightSource Open(string modelFolder) => OpenMapped(modelFolder);

    internal static MappedWeights OpenMapped(string modelFolder)
    {
        var single = Path.Combine(modelFolder, SingleFile);
        var index = Path.Combine(modelFolder, IndexFile);
        if (File.Exists(single))
        {
            return MappedWeights.OfFile(SafetensorsFile.Open(single));
        }

        return File.Exists(index)
            ? MappedWeights.OfIndex(modelFolder, index)
            : throw new ModelFormatException(modelFolder, $"has neither {SingleFile} nor {IndexFile}.");
    }
}
