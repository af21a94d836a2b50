using System.Text;
using System.Text.Json;
using System.Text.Unicode;

namespace Loire.Engine.Weights;

/// <summary>Parses JSON that others wrote. Whatever the bytes are, the outcome is a document or a <see cref="ModelFormatException"/>.</summary>
internal static class JsonBytes
{
    /// <summary>Largest JSON file of a model folder, as the safetensors format limits its headers.</summary>
    public const int MaxBytes = 100_000_000;

    private static readonly JsonDocumentOptions Strict = new()
    {
        AllowDuplicateProperties = false,
        AllowTrailingCommas = false,
        CommentHandling = JsonCommentHandling.Disallow,
        MaxDepth = 32,
    };

    /// <summary>Reads and parses a file whose root is an object.</summary>
    public static JsonDocument ParseFile(string path) => ParseObject(path, ModelFiles.ReadSmall(path, MaxBytes), "the file");

    /// <param name="path">For messages.</param>
    /// <param name="utf8">Must stay unchanged while the document is in use.</param>
    /// <param name="part">What of the file these bytes are: "the file", "the header".</param>
    public static JsonDocument ParseObject(string path, ReadOnlyMemory<byte> utf8, string part)
    {
        if (!Utf8.IsValid(utf8.Span))
        {
            throw new ModelFormatException(path, $"{part} is not UTF-8 text.");
        }

        JsonDocument document;
        try
        {
            document = JsonDocument.Parse(utf8, Strict);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException) // the latter: half a surrogate pair in a name
        {
            throw new ModelFormatException(path, $"{part} is not valid JSON{Near(utf8.Span)}: {e.Message}", e);
        }

        if (document.RootElement.ValueKind != JsonValueKind.Object)
        {
            var found = document.RootElement.ValueKind;
            document.Dispose();
            throw new ModelFormatException(path, $"{part} must hold a JSON object; found {found}.");
        }

        return document;
    }

    /// <summary>Text of a string; false for other kinds, and for a string that is half a surrogate pair.</summary>
    public static bool TryText(JsonElement element, out string text)
    {
        text = "";
        if (element.ValueKind != JsonValueKind.String)
        {
            return false;
        }

        try
        {
            text = element.GetString() ?? "";
            return true;
        }
        catch (InvalidOperationException) // \ud800 alone cannot be text
        {
            return false;
        }
    }

    /// <summary>The value as it stands in the file, shortened for a message.</summary>
    public static string Show(JsonElement element)
    {
        const int longest = 60;
        var text = element.GetRawText();
        return text.Length <= longest ? text : string.Concat(text.AsSpan(0, longest), "...");
    }

    /// <summary>The name that stands before the fault: NaN, which Python writes, is found here.</summary>
    private static string Near(ReadOnlySpan<byte> utf8)
    {
        var reader = new Utf8JsonReader(utf8, new JsonReaderOptions { MaxDepth = Strict.MaxDepth });
        var name = "";
        try
        {
            while (reader.Read())
            {
                if (reader.TokenType == JsonTokenType.PropertyName)
                {
                    name = Encoding.UTF8.GetString(reader.ValueSpan);
                }
            }
        }
        catch (JsonException)
        {
            return name.Length is 0 or > 100 ? "" : $" near field '{name}'";
        }

        return "";
    }
}
