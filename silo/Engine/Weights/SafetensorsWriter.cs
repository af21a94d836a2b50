using System.Buffers.Binary;
using System.Text.Json;

namespace Loire.Engine.Weights;

/// <summary>A tensor to be written: its bytes are row-major and little-endian.</summary>
public sealed record TensorToWrite(string Name, TensorType Type, long[] Shape, ReadOnlyMemory<byte> Bytes);

/// <summary>Writes a safetensors file.</summary>
public static class SafetensorsWriter
{
    /// <summary>Writes the tensors in the order given. A file of that name is replaced when all is written, not before.</summary>
    /// <exception cref="ArgumentException">Two tensors share a name, or a shape does not fit its bytes.</exception>
    public static void Write(string path, IEnumerable<TensorToWrite> tensors)
    {
        TensorToWrite[] all = [.. tensors];
        var header = Header(all);
        var unfinished = path + ".partial";
        using (var stream = File.Create(unfinished))
        {
            Span<byte> length = stackalloc byte[SafetensorsHeader.PrefixBytes];
            BinaryPrimitives.WriteUInt64LittleEndian(length, (ulong)header.Length);
            stream.Write(length);
            stream.Write(header);
            foreach (var tensor in all)
            {
                stream.Write(tensor.Bytes.Span);
            }
        }

        File.Move(unfinished, path, overwrite: true);
    }

    private static byte[] Header(TensorToWrite[] tensors)
    {
        using var buffer = new MemoryStream();
        using (var json = new Utf8JsonWriter(buffer))
        {
            var names = new HashSet<string>(StringComparer.Ordinal) { "__metadata__" };
            var offset = 0L;
            json.WriteStartObject();
            foreach (var tensor in tensors)
            {
                Check(tensor, names);
                json.WriteStartObject(tensor.Name);
                json.WriteString("dtype", tensor.Type.Name());
                WriteIntegers(json, "shape", tensor.Shape);
                WriteIntegers(json, "data_offsets", [offset, offset + tensor.Bytes.Length]);
                json.WriteEndObject();
                offset += tensor.Bytes.Length;
            }

            json.WriteEndObject();
        }

        while (buffer.Length % 8 != 0) // so that the data begins aligned
        {
            buffer.WriteByte((byte)' ');
        }

        return buffer.ToArray();
    }

    private static void Check(TensorToWrite tensor, HashSet<string> names)
    {
        if (!names.Add(tensor.Name))
        {
            throw new ArgumentException($"Two tensors are called '{tensor.Name}', or the name is reserved.");
        }

        var bytes = tensor.Shape.Aggregate((long)tensor.Type.Size(), (product, dimension) => checked(product * dimension));
        if (bytes != tensor.Bytes.Length)
        {
            throw new ArgumentException(
                $"Tensor '{tensor.Name}' of shape [{string.Join(", ", tensor.Shape)}] and type {tensor.Type.Name()} needs {bytes} bytes; {tensor.Bytes.Length} were given.");
        }
    }

    private static void WriteIntegers(Utf8JsonWriter json, string name, ReadOnlySpan<long> values)
    {
        json.WriteStartArray(name);
        foreach (var value in values)
        {
            json.WriteNumberValue(value);
        }

        json.WriteEndArray();
    }
}
