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
    /// <summary><c>model.safetensors</c>, or the shards that <c>model.safetensors.index.json</c> lists.</summary>
    public static IWeightSource Open(string modelFolder) => throw new NotImplementedException();
}
