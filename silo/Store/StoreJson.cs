using System.Text.Json;
using System.Text.Json.Serialization;

namespace Loire.Store;

/// <summary>How records become JSON: fields in the order of their declaration, no white space, so that equal records have equal bytes.</summary>
internal static class StoreJson
{
    public static byte[] Serialize(TurnRecord turn) => JsonSerializer.SerializeToUtf8Bytes(turn, StoreJsonContext.Default.TurnRecord);

    public static byte[] Serialize(SessionReference session) =>
        JsonSerializer.SerializeToUtf8Bytes(session, StoreJsonContext.Default.SessionReference);

    public static byte[] Serialize(CheckpointManifest manifest) =>
        JsonSerializer.SerializeToUtf8Bytes(manifest, StoreJsonContext.Default.CheckpointManifest);
}

[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    UseStringEnumConverter = true,
    RespectNullableAnnotations = true,
    RespectRequiredConstructorParameters = true,
    MaxDepth = 16)]
[JsonSerializable(typeof(TurnRecord))]
[JsonSerializable(typeof(SessionReference))]
[JsonSerializable(typeof(CheckpointManifest))]
internal sealed partial class StoreJsonContext : JsonSerializerContext;
