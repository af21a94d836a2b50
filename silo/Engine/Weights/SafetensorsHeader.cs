using System.Collections.Immutable;
using System.Text.Json;

namespace Loire.Engine.Weights;

/// <summary>Reads the header of a safetensors file and checks every figure in it against the file's length.</summary>
/// <remarks>
/// Layout: 8 bytes little-endian length N, N bytes of JSON (an object; spaces may follow it), then the data.
/// The tensors' ranges fill the data exactly: no gap, no overlap, nothing after the last one.
/// Source: the format's description at huggingface/safetensors.
/// </remarks>
internal static class SafetensorsHeader
{
    public const int PrefixBytes = 8;

    /// <param name="path">For messages.</param>
    /// <param name="json">The N bytes of the header.</param>
    /// <param name="dataBytes">Length of what follows the header.</param>
    public static Dictionary<string, TensorEntry> Parse(string path, ReadOnlyMemory<byte> json, long dataBytes)
    {
        if (json.IsEmpty || json.Span[0] != (byte)'{')
        {
            throw new ModelFormatException(path, "the header must begin with '{'.");
        }

        using var document = JsonBytes.ParseObject(path, json, "the header");
        var dataStart = PrefixBytes + (long)json.Length;
        var tensors = new Dictionary<string, TensorEntry>(StringComparer.Ordinal);
        foreach (var property in document.RootElement.EnumerateObject())
        {
            var name = Name(path, property);
            if (name == "__metadata__")
            {
                CheckMetadata(path, property.Value);
            }
            else
            {
                tensors.Add(name, Entry(path, name, property.Value, dataStart, dataBytes));
            }
        }

        CheckRanges(path, tensors.Values, dataStart, dataBytes);
        return tensors;
    }

    private static string Name(string path, JsonProperty property)
    {
        try
        {
            return property.Name;
        }
        catch (InvalidOperationException e)
        {
            throw new ModelFormatException(path, "the header has a name that is not text (half a surrogate pair).", e);
        }
    }

    private static void CheckMetadata(string path, JsonElement metadata)
    {
        if (metadata.ValueKind is not JsonValueKind.Object
            || metadata.EnumerateObject().Any(p => p.Value.ValueKind is not JsonValueKind.String))
        {
            throw new ModelFormatException(path, "__metadata__ must be an object of strings.");
        }
    }

    private static TensorEntry Entry(string path, string name, JsonElement json, long dataStart, long dataBytes)
    {
        ModelFormatException Wrong(string problem) => new(path, $"tensor '{name}': {problem}");

        if (json.ValueKind is not JsonValueKind.Object)
        {
            throw Wrong($"must be an object with dtype, shape and data_offsets; found {JsonBytes.Show(json)}.");
        }

        if (!json.TryGetProperty("dtype", out var dtype) || !JsonBytes.TryText(dtype, out var typeName))
        {
            throw Wrong("dtype must be a string such as \"BF16\".");
        }

        if (!json.TryGetProperty("shape", out var shapeJson) || !TryIntegers(shapeJson, out var shape) || shape.Any(d => d < 0))
        {
            throw Wrong("shape must be a list of integers from 0 on.");
        }

        if (!json.TryGetProperty("data_offsets", out var offsetsJson) || !TryIntegers(offsetsJson, out var offsets) || offsets is not [var begin, var end])
        {
            throw Wrong("data_offsets must be a list of two integers.");
        }

        if (begin < 0 || end < begin || end > dataBytes)
        {
            throw Wrong($"data_offsets [{begin}, {end}] must ascend and lie within the {dataBytes} bytes of data. Is the file truncated?");
        }

        if (!TryProduct(shape, out var count))
        {
            throw Wrong($"shape [{string.Join(", ", shape)}] has more values than a 64-bit number can count.");
        }

        var type = TensorTypes.Parse(typeName);
        var length = end - begin;
        if (type is not TensorType.Unsupported && (UInt128)count * (uint)type.Size() != (UInt128)length)
        {
            throw Wrong($"shape [{string.Join(", ", shape)}] of {typeName} needs {(UInt128)count * (uint)type.Size()} bytes; data_offsets [{begin}, {end}] give {length}.");
        }

        return new TensorEntry
        {
            Name = name,
            Type = type,
            TypeName = typeName,
            Shape = shape,
            Offset = dataStart + begin,
            Length = length,
            Count = count,
        };
    }

    private static bool TryIntegers(JsonElement json, out ImmutableArray<long> values)
    {
        values = [];
        if (json.ValueKind is not JsonValueKind.Array)
        {
            return false;
        }

        var builder = ImmutableArray.CreateBuilder<long>(json.GetArrayLength());
        foreach (var item in json.EnumerateArray())
        {
            if (item.ValueKind is not JsonValueKind.Number || !item.TryGetInt64(out var value))
            {
                return false;
            }

            builder.Add(value);
        }

        values = builder.MoveToImmutable();
        return true;
    }

    private static bool TryProduct(ImmutableArray<long> shape, out long product)
    {
        product = 1;
        foreach (var dimension in shape)
        {
            var wide = (UInt128)product * (UInt128)dimension;
            if (wide > long.MaxValue)
            {
                return false;
            }

            product = (long)wide;
        }

        return true;
    }

    private static void CheckRanges(string path, IEnumerable<TensorEntry> tensors, long dataStart, long dataBytes)
    {
        var expected = dataStart;
        var previous = "the header";
        foreach (var tensor in tensors.OrderBy(t => t.Offset).ThenBy(t => t.Length))
        {
            if (tensor.Offset != expected)
            {
                var fault = tensor.Offset < expected ? "overlaps with" : "leaves a gap after";
                throw new ModelFormatException(path, $"tensor '{tensor.Name}' {fault} {previous}: its data begins at byte {tensor.Offset}, expected {expected}.");
            }

            expected = tensor.Offset + tensor.Length;
            previous = $"tensor '{tensor.Name}'";
        }

        if (expected != dataStart + dataBytes)
        {
            throw new ModelFormatException(path, $"has {dataStart + dataBytes - expected} bytes after {previous} that belong to no tensor.");
        }
    }
}
