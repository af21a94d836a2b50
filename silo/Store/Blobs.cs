namespace Loire.Store;

/// <summary>What a blob holds. Stable on disk: add at the end, never reuse a number.</summary>
public enum BlobKind
{
    None = 0,

    /// <summary>Recurrent state of one layer after the prefix.</summary>
    RecurrentState = 1,

    /// <summary>Last inputs of a short convolution or token shift of one layer.</summary>
    ConvTail = 2,

    /// <summary>Keys and values of one full page of one softmax layer. Never changes; shared by all checkpoints beyond it.</summary>
    KeyValuePage = 3,

    /// <summary>Keys and values of the partly filled last page of one softmax layer.</summary>
    KeyValueTail = 4,
}

/// <summary>A blob as a checkpoint lists it: what it is, where it is found, and what its bytes must be.</summary>
/// <param name="Kind">What it holds.</param>
/// <param name="Layer">Layer of the model.</param>
/// <param name="Page">Page of a key-value blob; 0 for others.</param>
/// <param name="Address">Where it is found.</param>
/// <param name="Length">Bytes of its content.</param>
/// <param name="Checksum">Of its content.</param>
/// <param name="DType">Element type, such as <c>f32</c>.</param>
public sealed record BlobReference(BlobKind Kind, int Layer, int Page, Digest Address, long Length, Checksum Checksum, string DType);

/// <summary>A blob to be stored. The content is read during the call only.</summary>
public readonly record struct BlobContent(
    BlobKind Kind, int Layer, int Page, Digest Address, string DType, ReadOnlyMemory<byte> Content);

/// <summary>A blob to be read, and where to: exactly as long as the blob.</summary>
public readonly record struct BlobDestination(BlobReference Reference, Memory<byte> Content);
