using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace Loire.Store;

/// <summary>Who may find a state. It salts every address, so that a hit in the store tells nobody what somebody else wrote.</summary>
/// <param name="Value">Opaque text, at most <see cref="MaxLength"/> characters; never a raw API key, since it is written to disk.</param>
[JsonConverter(typeof(StateOwnerJsonConverter))]
public sealed record StateOwner(string Value)
{
    public const int MaxLength = 256;

    /// <summary>The one owner of all states where sharing is switched on. No key's owner has this value.</summary>
    public static StateOwner Shared { get; } = new("*");

    /// <summary>The owner that stands for an API key: the key's digest.</summary>
    public static StateOwner OfKey(string apiKey) =>
        new("key:" + Digest.Of(Encoding.UTF8.GetBytes("loire.owner.v1\0" + apiKey)));

    public override string ToString() => Value;
}

internal sealed class StateOwnerJsonConverter : JsonConverter<StateOwner>
{
    public override StateOwner Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
        reader.TokenType == JsonTokenType.String && reader.GetString() is { } value
            ? new StateOwner(value)
            : throw new JsonException("expected the owner as a string");

    public override void Write(Utf8JsonWriter writer, StateOwner value, JsonSerializerOptions options) =>
        writer.WriteStringValue(value.Value);
}
