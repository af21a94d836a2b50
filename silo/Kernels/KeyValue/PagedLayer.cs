namespace Loire.Kernels;

/// <summary>Keys and values of one softmax layer on the device: T <c>[pages, heads, 64, headDim]</c> each, a head's tokens one after the other.</summary>
/// <param name="Keys">Address; turned by their positions.</param>
/// <param name="Values">Address.</param>
/// <param name="Heads">Of keys and values.</param>
/// <param name="HeadDim">Channels.</param>
public readonly record struct PagedLayer(ulong Keys, ulong Values, int Heads, int HeadDim)
{
    /// <summary>Tokens of a page.</summary>
    public const int PageTokens = 64;

    /// <summary>Elements of a page's keys, or of its values.</summary>
    public long PageLength => (long)Heads * PageTokens * HeadDim;
}
