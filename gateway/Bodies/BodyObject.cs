using System.Text;
using System.Text.Json;
using Loire.Contracts;

namespace Loire.Gateway;

/// <summary>An object in a request's body, read field by field. What is wrong is told with the field's path, such as <c>messages[2].content</c>.</summary>
/// <remarks>A field that is null counts as absent, as OpenAI's clients expect. Lives no longer than the document it reads.</remarks>
internal readonly struct BodyObject(JsonElement element, string path)
{
    private static readonly JsonElement NoFields = JsonDocument.Parse("{}").RootElement;

    /// <summary>What an absent optional body is read as.</summary>
    public static BodyObject Empty => new(NoFields, "");

    public JsonElement Element => element;

    /// <summary>The name of one of its fields, from the body's root.</summary>
    public string PathOf(string field) => path.Length == 0 ? field : $"{path}.{field}";

    public bool TryGet(string field, out JsonElement value) =>
        element.TryGetProperty(field, out value) && value.ValueKind != JsonValueKind.Null;

    public string? Text(string field) => !TryGet(field, out var value) ? null
        : value.ValueKind == JsonValueKind.String ? value.GetString()
        : throw WrongType(field, "a string", value);

    public string RequiredText(string field) => Text(field) ?? throw Missing(field, "a string");

    public bool? Flag(string field) => !TryGet(field, out var value) ? null
        : value.ValueKind is JsonValueKind.True or JsonValueKind.False ? value.GetBoolean()
        : throw WrongType(field, "true or false", value);

    public int? Integer(string field, int min, int max)
    {
        if (!TryGet(field, out var value))
        {
            return null;
        }

        if (value.ValueKind != JsonValueKind.Number)
        {
            throw WrongType(field, "a whole number", value);
        }

        return value.TryGetInt32(out var number) && number >= min && number <= max
            ? number
            : throw Invalid(field, $"must be a whole number from {min:N0} to {max:N0}; it is {Shorten(value)}");
    }

    public float? Number(string field, double min, double max, bool minExcluded = false)
    {
        if (!TryGet(field, out var value))
        {
            return null;
        }

        if (value.ValueKind != JsonValueKind.Number)
        {
            throw WrongType(field, "a number", value);
        }

        return value.TryGetSingle(out var number) && number <= (float)max && (minExcluded ? number > (float)min : number >= (float)min)
            ? number
            : throw Invalid(field, $"must be {(minExcluded ? $"above {min}, and at most {max}" : $"from {min} to {max}")}; it is {Shorten(value)}");
    }

    public BodyObject? Object(string field) => !TryGet(field, out var value) ? null
        : value.ValueKind == JsonValueKind.Object ? new BodyObject(value, PathOf(field))
        : throw WrongType(field, "an object", value);

    public JsonElement? Array(string field) => !TryGet(field, out var value) ? null
        : value.ValueKind == JsonValueKind.Array ? value
        : throw WrongType(field, "an array", value);

    /// <summary>For fields whose only supported value is the one that changes nothing.</summary>
    public void RefuseUnless(string field, string supported, Func<JsonElement, bool> isSupported)
    {
        if (TryGet(field, out var value) && !isSupported(value))
        {
            throw Invalid(field, $"is supported only as {supported}; it is {Shorten(value)}");
        }
    }

    public ClusterException Missing(string field, string expected) => Invalid(field, $"is missing; {expected} is expected");

    public ClusterException WrongType(string field, string expected, JsonElement found) =>
        Invalid(field, $"must be {expected}; it is {Describe(found)}");

    public ClusterException Invalid(string field, string problem) => new(FailureCode.InvalidRequest, $"{PathOf(field)} {problem}.", PathOf(field));

    public static string Describe(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.String => "a string",
        JsonValueKind.Number => "a number",
        JsonValueKind.True or JsonValueKind.False => "a boolean",
        JsonValueKind.Array => "an array",
        JsonValueKind.Object => "an object",
        _ => "null",
    };

    /// <summary>What was sent, cut to what fits in a message.</summary>
    public static string Shorten(JsonElement value) => value.ValueKind is JsonValueKind.Array or JsonValueKind.Object
        ? Describe(value)
        : Shorten(value.GetRawText());

    public static string Shorten(string text)
    {
        const int Longest = 60;
        if (text.Length <= Longest)
        {
            return text;
        }

        var end = char.IsHighSurrogate(text[Longest - 1]) ? Longest - 1 : Longest;
        return new StringBuilder(text, 0, end, Longest + 1).Append('…').ToString();
    }
}
