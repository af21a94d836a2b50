namespace Loire.Engine.Weights;

/// <summary>A tensor to be written: its bytes are row-major and little-endian.</summary>
public sealed record TensorToWrite(string Name, TensorType Type, long[] Shape, ReadOnlyMemory<byte> Bytes);

/// <summary>Writes a safetensors file.</summary>
public static class SafetensorsWriter
{
    /// <summary>Writes the tensors in the order given; replaces the file if it exists.</summary>
    public static void Write(string path, IEnumerable<TensorToWrite> tensors) => throw new NotImplementedException();
}
