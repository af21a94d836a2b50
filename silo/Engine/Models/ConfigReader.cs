using System.Collections.Immutable;
using System.Globalization;
using System.Text.Json;
using Loire.Engine.Weights;

namespace Loire.Engine.Models;

/// <summary>Reads checked values out of one JSON object of a model folder.</summary>
/// <remarks>
/// As Python's configs do, it takes <c>null</c> for an absent field. A value of the wrong kind or out of range
/// throws a <see cref="ModelFormatException"/> that names file, field, what was found and what is allowed.
/// </remarks>
internal sealed class ConfigReader(string path, JsonElement root, string prefix = "")
{
    public string Path => path;

    public bool Has(string field) => TryGet(field, out _);

    /// <summary>The first of these names that the config has; the first of all when it has none.</summary>
    public string FirstOf(params ReadOnlySpan<string> fields)
    {
        foreach (var field in fields)
        {
            if (Has(field))
            {
                return field;
            }
        }

        return fields[0];
    }

    public int Integer(string field, int least, int most, int? fallback = null)
    {
        if (TryGet(field, out var value))
        {
            return Integer(field, value, least, most);
        }

        return fallback ?? throw Missing(field, IntegerRange(least, most));
    }

    /// <summary>A number within a closed range; NaN and infinities are in none.</summary>
    public double Real(string field, double least, double most, double? fallback = null)
    {
        var allowed = string.Create(CultureInfo.InvariantCulture, $"a number from {least} to {most}");
        if (!TryGet(field, out var value))
        {
            return fallback ?? throw Missing(field, allowed);
        }

        return value.ValueKind is JsonValueKind.Number && value.TryGetDouble(out var number) && number >= least && number <= most
            ? number
            : throw Wrong(field, value, allowed);
    }

    public bool Flag(string field, bool fallback)
    {
        if (!TryGet(field, out var value))
        {
            return fallback;
        }

        return value.ValueKind is JsonValueKind.True or JsonValueKind.False ? value.GetBoolean() : throw Wrong(field, value, "true or false");
    }

    public string Text(string field, ReadOnlySpan<string> allowed, string? fallback = null)
    {
        if (TryGet(field, out var value))
        {
            return Text(field, value, allowed);
        }

        return fallback ?? throw Missing(field, OneOf(allowed));
    }

    /// <summary>A list of exactly this length.</summary>
    public ImmutableArray<T> List<T>(string field, int length, Func<string, JsonElement, T> item)
    {
        if (!TryGet(field, out var value))
        {
            throw Missing(field, $"a list of {length}");
        }

        return value.ValueKind is JsonValueKind.Array && value.GetArrayLength() == length
            ? Items(field, value, item)
            : throw Wrong(field, value, $"a list of {length}, one for each layer");
    }

    /// <summary>One integer for all layers, or a list with one for each. A shorter list leaves the rest at <paramref name="rest"/>, where given.</summary>
    public ImmutableArray<int> IntegerOrList(string field, int length, int least, int most, int? fallback = null, int? rest = null)
    {
        if (!TryGet(field, out var value))
        {
            return [.. Enumerable.Repeat(fallback ?? throw Missing(field, IntegerRange(least, most)), length)];
        }

        if (value.ValueKind is not JsonValueKind.Array)
        {
            return [.. Enumerable.Repeat(Integer(field, value, least, most), length)];
        }

        var found = value.GetArrayLength();
        if (found > length || (found < length && rest is null))
        {
            throw Wrong(field, value, $"an integer, or a list of {length}, one for each layer");
        }

        var items = Items(field, value, (name, element) => Integer(name, element, least, most));
        return items.AddRange(Enumerable.Repeat(rest ?? 0, length - found));
    }

    /// <summary>An id or a list of ids, each within the vocabulary; empty when absent.</summary>
    public ImmutableArray<int> Tokens(string field, int vocabularySize)
    {
        const int most = 1024;
        if (!TryGet(field, out var value))
        {
            return [];
        }

        if (value.ValueKind is not JsonValueKind.Array)
        {
            return [Integer(field, value, 0, vocabularySize - 1)];
        }

        return value.GetArrayLength() <= most
            ? Items(field, value, (name, element) => Integer(name, element, 0, vocabularySize - 1))
            : throw Wrong(field, value, $"a token id, or a list of at most {most}");
    }

    /// <summary>An object inside this one; null when absent.</summary>
    public ConfigReader? Object(string field)
    {
        if (!TryGet(field, out var value))
        {
            return null;
        }

        return value.ValueKind is JsonValueKind.Object ? new ConfigReader(path, value, $"{prefix}{field}.") : throw Wrong(field, value, "an object");
    }

    /// <summary>Refuses a field that would change what the model computes in a way that is not supported.</summary>
    public void MustBeAbsent(string field, string reason)
    {
        if (TryGet(field, out var value))
        {
            throw Wrong(field, value, $"null: {reason}");
        }
    }

    public int Integer(string field, JsonElement value, int least, int most) =>
        value.ValueKind is JsonValueKind.Number && value.TryGetInt32(out var number) && number >= least && number <= most
            ? number
            : throw Wrong(field, value, IntegerRange(least, most));

    public string Text(string field, JsonElement value, ReadOnlySpan<string> allowed) =>
        JsonBytes.TryText(value, out var text) && allowed.Contains(text) ? text : throw Wrong(field, value, OneOf(allowed));

    public ModelFormatException Wrong(string field, JsonElement found, string allowed) =>
        new(path, $"{prefix}{field} is {JsonBytes.Show(found)}; allowed: {allowed}.");

    public ModelFormatException Inconsistent(string field, string problem) => new(path, $"{prefix}{field} {problem}");

    private ModelFormatException Missing(string field, string allowed) => new(path, $"{prefix}{field} is missing; allowed: {allowed}.");

    private static string IntegerRange(int least, int most) => $"an integer from {least} to {most}";

    private static string OneOf(ReadOnlySpan<string> allowed) => $"one of {string.Join(", ", allowed.ToArray())}";

    private bool TryGet(string field, out JsonElement value) => root.TryGetProperty(field, out value) && value.ValueKind is not JsonValueKind.Null;

    private static ImmutableArray<T> Items<T>(string field, JsonElement list, Func<string, JsonElement, T> item)
    {
        var index = 0;
        var items = ImmutableArray.CreateBuilder<T>(list.GetArrayLength());
        foreach (var element in list.EnumerateArray())
        {
            items.Add(item($"{field}[{index++}]", element));
        }

        return items.MoveToImmutable();
    }
}
