using System.Collections.Immutable;

namespace Loire.Engine.State;

/// <summary>What the model state of a sequence consists of in the canonical layout, independent of devices and of how layers are cut.</summary>
/// <remarks>
/// <para>Recurrent blob of a layer: <c>[heads, keyDim, valueDim]</c> f32, little-endian.</para>
/// <para>Key-value page of a layer, <see cref="PageTokens"/> tokens: keys <c>[kvHeads, tokens, headDim]</c>, then values in the same order; f32.</para>
/// <para>Key-value tail: the same with as many tokens as the last, partly filled page has. No tail when the count is a multiple of the page.</para>
/// </remarks>
public sealed record StateShape
{
    public const int LayoutVersion = 1;

    /// <summary>Tokens of a page, in the store and on the CPU.</summary>
    public const int PageTokens = 64;

    public const string DType = "f32";

    /// <summary>Layer index and blob bytes of each recurrent layer, ascending.</summary>
    public required ImmutableArray<(int Layer, int Bytes)> Recurrent { get; init; }

    /// <summary>Layer index and bytes for each token of each softmax layer, ascending.</summary>
    public required ImmutableArray<(int Layer, int BytesPerToken)> KeyValue { get; init; }

    public long RecurrentBytes => Recurrent.Sum(layer => (long)layer.Bytes);

    public long BytesPerToken => KeyValue.Sum(layer => (long)layer.BytesPerToken);

    /// <summary>Bytes of the whole state after this many tokens.</summary>
    public long BytesOf(int tokens) => RecurrentBytes + (tokens * BytesPerToken);

    /// <exception cref="ArgumentException">The layer has no recurrent state.</exception>
    public int RecurrentBytesOf(int layer)
    {
        foreach (var (index, bytes) in Recurrent)
        {
            if (index == layer)
            {
                return bytes;
            }
        }

        throw new ArgumentException($"Layer {layer} has no recurrent state.", nameof(layer));
    }

    /// <exception cref="ArgumentException">The layer has no keys and values.</exception>
    public int KeyValueBytesOf(int layer, int tokens)
    {
        foreach (var (index, bytesPerToken) in KeyValue)
        {
            if (index == layer)
            {
                return tokens * bytesPerToken;
            }
        }

        throw new ArgumentException($"Layer {layer} has no keys and values.", nameof(layer));
    }
}
