using System.Text.Json.Serialization;

namespace Loire.Store;

/// <summary>What the model state after a token prefix consists of. Immutable; found by what it is the state of.</summary>
public sealed record CheckpointManifest
{
    public const int CurrentFormatVersion = 1;

    public required int FormatVersion { get; init; }

    /// <summary>Version of the layout inside the blobs.</summary>
    public required int LayoutVersion { get; init; }

    /// <summary>Digest of the model.</summary>
    public required Digest Model { get; init; }

    public required StateOwner Owner { get; init; }

    /// <summary>Element type of the blobs.</summary>
    public required string DType { get; init; }

    /// <summary>Tokens that the state has seen.</summary>
    public required int TokenCount { get; init; }

    /// <summary>Digest of those tokens.</summary>
    public required Digest TokenDigest { get; init; }

    public required int PageTokens { get; init; }

    /// <summary>Digest at the last page end within the tokens: what a prefix lookup finds the checkpoint by.</summary>
    public required Digest LastPageEnd { get; init; }

    /// <summary>State of the sampler, opaque to the store.</summary>
    public string? SamplerState { get; init; }

    public required IReadOnlyList<BlobReference> Blobs { get; init; }

    public required DateTimeOffset CreatedAt { get; init; }

    [JsonIgnore]
    public Digest Address => StateAddress.Checkpoint(TokenDigest);

    /// <summary>Bytes of all blobs.</summary>
    [JsonIgnore]
    public long StateBytes => Blobs.Sum(blob => blob.Length);

    /// <summary>The manifest of the state after the first <paramref name="tokens"/> tokens of <paramref name="prefix"/>.</summary>
    public static CheckpointManifest Create(
        PrefixDigests prefix, int tokens, string dtype, IReadOnlyList<BlobReference> blobs, DateTimeOffset createdAt, string? samplerState = null) => new()
        {
            FormatVersion = CurrentFormatVersion,
            LayoutVersion = StateAddress.LayoutVersion,
            Model = prefix.Model,
            Owner = prefix.Owner,
            DType = dtype,
            TokenCount = tokens,
            TokenDigest = prefix.At(tokens),
            PageTokens = prefix.PageTokens,
            LastPageEnd = prefix.AtPageEnd(tokens / prefix.PageTokens),
            SamplerState = samplerState,
            Blobs = blobs,
            CreatedAt = createdAt,
        };

    /// <summary>Refuses a checkpoint that is not the state of this prefix in this precision.</summary>
    /// <exception cref="CheckpointRefusedException">Names the field, what was found and what was expected.</exception>
    public void RequireMatch(PrefixDigests prefix, string dtype)
    {
        Require(nameof(LayoutVersion), LayoutVersion, StateAddress.LayoutVersion);
        Require(nameof(Model), Model, prefix.Model);
        Require(nameof(Owner), Owner, prefix.Owner);
        Require(nameof(DType), DType, dtype);
        Require(nameof(PageTokens), PageTokens, prefix.PageTokens);
        if (TokenCount > prefix.TokenCount)
        {
            throw new CheckpointRefusedException(Address, nameof(TokenCount), $"{TokenCount}", $"at most {prefix.TokenCount}");
        }

        Require(nameof(TokenDigest), TokenDigest, prefix.At(TokenCount));
    }

    private void Require<T>(string field, T found, T expected)
    {
        if (!EqualityComparer<T>.Default.Equals(found, expected))
        {
            throw new CheckpointRefusedException(Address, field, $"{found}", $"{expected}");
        }
    }
}
