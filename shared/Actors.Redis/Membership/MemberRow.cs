using System.Text.Json;
using System.Text.Json.Serialization;
using Orleans.Runtime;

namespace Loire.Actors.Redis;

/// <summary>What Redis holds of one member. The scripts read and write these names.</summary>
internal sealed record MemberRow
{
    public required string Name { get; init; }

    public required SiloStatus Status { get; init; }

    /// <summary>Where clients reach it.</summary>
    public required string Gateway { get; init; }

    /// <summary>In milliseconds.</summary>
    public required long Lease { get; init; }

    /// <summary>Told apart from another start at the same address.</summary>
    public required string Nonce { get; init; }

    public Dictionary<string, string> Metadata { get; init; } = [];

    /// <summary>Given by the script that lets it join.</summary>
    public long Epoch { get; init; }

    /// <summary>When it was declared dead, in milliseconds of Redis' clock.</summary>
    public long? Died { get; init; }

    /// <summary>Who declared it dead.</summary>
    public string? By { get; init; }

    public string ToText() => JsonSerializer.Serialize(this, MemberRowContext.Default.MemberRow);

    /// <exception cref="JsonException">The text is no row.</exception>
    public static MemberRow Parse(string text) =>
        JsonSerializer.Deserialize(text, MemberRowContext.Default.MemberRow) ?? throw new JsonException("The row is null.");
}

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(MemberRow))]
internal sealed partial class MemberRowContext : JsonSerializerContext;
