using System.Text.Json;

namespace Loire.Text;

/// <summary>A place in a tokenizer file that knows its own path, so that whatever is wrong there can be named.</summary>
internal readonly struct FileNode(JsonElement element, string file, string path)
{
    public string File => file;

    public string Path => path;

    public JsonElement Element => element;

    public bool IsNull => element.ValueKind is JsonValueKind.Null or JsonValueKind.Undefined;

    public bool IsArray => element.ValueKind == JsonValueKind.Array;

    public bool IsString => element.ValueKind == JsonValueKind.String;

    public int Count => IsArray ? element.GetArrayLength() : 0;

    /// <summary>A member of this object; a null node when it is absent.</summary>
    public FileNode this[string name]
    {
        get
        {
            Expect(JsonValueKind.Object, "an object");
            var child = path.Length == 0 ? name : $"{path}.{name}";
            return new FileNode(element.TryGetProperty(name, out var value) ? value : default, file, child);
        }
    }

    public IEnumerable<FileNode> Items()
    {
        Expect(JsonValueKind.Array, "an array");
        return Enumerate(element, file, path);
    }

    public IEnumerable<FileNode> ItemsOrNone() => IsNull ? [] : Items();

    public JsonElement.ObjectEnumerator Members()
    {
        Expect(JsonValueKind.Object, "an object");
        return element.EnumerateObject();
    }

    public string Text()
    {
        Expect(JsonValueKind.String, "a string");
        return element.GetString()!; // the kind was checked
    }

    public string? TextOrNull() => IsNull ? null : Text();

    public bool Flag(bool absent)
    {
        return element.ValueKind switch
        {
            JsonValueKind.True => true,
            JsonValueKind.False => false,
            JsonValueKind.Null or JsonValueKind.Undefined => absent,
            _ => throw Unsupported("true or false"),
        };
    }

    public int Int(int min, int max, int? absent = null)
    {
        if (IsNull && absent is { } value)
        {
            return value;
        }

        return element.ValueKind == JsonValueKind.Number && element.TryGetInt32(out var number) && number >= min && number <= max
            ? number
            : throw Unsupported($"an integer from {min} to {max}");
    }

    public TokenizerFormatException Unsupported(string supported, Exception? inner = null) => new(file, path, Found(), supported, inner);

    public TokenizerFormatException Wrong(string found, string supported, Exception? inner = null) => new(file, path, found, supported, inner);

    private static IEnumerable<FileNode> Enumerate(JsonElement array, string file, string path)
    {
        var index = 0;
        foreach (var item in array.EnumerateArray())
        {
            yield return new FileNode(item, file, $"{path}[{index++}]");
        }
    }

    private void Expect(JsonValueKind kind, string supported)
    {
        if (element.ValueKind != kind)
        {
            throw Unsupported(supported);
        }
    }

    private string Found()
    {
        const int shown = 60;
        switch (element.ValueKind)
        {
            case JsonValueKind.Undefined:
                return "nothing";
            case JsonValueKind.Object or JsonValueKind.Array:
                return element.ValueKind == JsonValueKind.Object ? "an object" : "an array";
            default:
                var raw = element.GetRawText();
                return raw.Length > shown ? raw[..shown] + "..." : raw;
        }
    }
}
