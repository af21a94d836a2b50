namespace Loire.Engine.Weights;

/// <summary>A memory-mapped safetensors file.</summary>
public sealed class SafetensorsFile : IDisposable
{
    private SafetensorsFile() => throw new NotImplementedException();

    public string Path { get; } = "";

    public IReadOnlyDictionary<string, TensorEntry> Tensors => throw new NotImplementedException();

    public static SafetensorsFile Open(string path) => throw new NotImplementedException();

    /// <exception cref="ModelFormatException">No such tensor, or its type is not supported.</exception>
    public TensorView Get(string name) => throw new NotImplementedException();

    public void Dispose() => throw new NotImplementedException();
}
