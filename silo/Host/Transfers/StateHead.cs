using System.Buffers;
using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text;
using Loire.Engine.Replica;
using Loire.Engine.State;
using Loire.Silo.Replicas;
using Loire.Store;

namespace Loire.Silo.Transfers;

/// <summary>What one silo says of a state before another fetches it: whose tokens it has seen, and the checksum of each of its pieces.</summary>
/// <remarks>
/// Little-endian: version, layout version, tokens of a page; model (32 bytes); owner and dtype, each with its length before it; count of
/// tokens and the tokens; count of checksums and the checksums (16 bytes each), in the order of <see cref="StateBlob.Of"/>.
/// </remarks>
/// <param name="LayoutVersion">Of what is inside the pieces.</param>
/// <param name="DType">Of their elements.</param>
/// <param name="Prefix">Model, owner and exactly the tokens of the state.</param>
/// <param name="Checksums">One a piece.</param>
internal sealed record StateHead(int LayoutVersion, string DType, PrefixDigests Prefix, IReadOnlyList<Checksum> Checksums)
{
    private const int Version = 1;
    private const int MaxText = 1024;
    private const int ChecksumBytes = 16;

    /// <summary>Of a resident state. Null: some of its blobs are not known to the store.</summary>
    public static StateHead? Of(ResidentState state, StateShape shape)
    {
        var known = state.Blobs.ToDictionary(blob => (blob.Kind, blob.Layer, blob.Page), blob => blob.Checksum);
        var checksums = new List<Checksum>(state.Blobs.Count);
        foreach (var piece in StateBlob.Of(shape, state.Tokens))
        {
            if (!known.TryGetValue((KindOf(piece.Kind), piece.Layer, piece.Page), out var checksum))
            {
                return null;
            }

            checksums.Add(checksum);
        }

        var prefix = state.Prefix.Copy();
        prefix.Truncate(state.Tokens);
        return new StateHead(StateAddress.LayoutVersion, StateShape.DType, prefix, checksums);
    }

    public byte[] ToBytes()
    {
        var bytes = new ArrayBufferWriter<byte>(256 + (Prefix.TokenCount * sizeof(int)) + (Checksums.Count * ChecksumBytes));
        Put(bytes, Version);
        Put(bytes, LayoutVersion);
        Put(bytes, Prefix.PageTokens);
        Prefix.Model.CopyTo(bytes.GetSpan(Digest.ByteCount));
        bytes.Advance(Digest.ByteCount);
        Put(bytes, Prefix.Owner.Value);
        Put(bytes, DType);
        Put(bytes, Prefix.TokenCount);
        bytes.Write(MemoryMarshal.AsBytes(Prefix.Tokens));
        Put(bytes, Checksums.Count);
        foreach (var checksum in Checksums)
        {
            BinaryPrimitives.WriteUInt128LittleEndian(bytes.GetSpan(ChecksumBytes), checksum.Value);
            bytes.Advance(ChecksumBytes);
        }

        return bytes.WrittenSpan.ToArray();
    }

    /// <exception cref="StateRefusedException">No head is written so.</exception>
    public static StateHead Parse(ReadOnlySpan<byte> bytes)
    {
        if (Int(ref bytes, "version") is not Version and var version)
        {
            throw new StateRefusedException($"A state is offered in version {version} of its head; {Version} is known here.");
        }

        var layout = Int(ref bytes, "layout version");
        var pageTokens = Int(ref bytes, "tokens of a page", 1, PrefixDigests.MaxPageTokens);
        var model = new Digest(Take(ref bytes, Digest.ByteCount, "model"));
        var owner = new StateOwner(Text(ref bytes, "owner"));
        var dtype = Text(ref bytes, "dtype");
        var tokens = Take(ref bytes, checked(Int(ref bytes, "token count", 1, int.MaxValue / sizeof(int)) * sizeof(int)), "tokens");
        var prefix = StateAddress.Of(model, owner, MemoryMarshal.Cast<byte, int>(tokens), pageTokens);
        var checksums = new Checksum[Int(ref bytes, "count of checksums", 1, bytes.Length / ChecksumBytes)];
        for (var i = 0; i < checksums.Length; i++)
        {
            checksums[i] = new Checksum(BinaryPrimitives.ReadUInt128LittleEndian(Take(ref bytes, ChecksumBytes, "checksum")));
        }

        return bytes.Length == 0
            ? new StateHead(layout, dtype, prefix, checksums)
            : throw new StateRefusedException($"{bytes.Length} bytes follow the end of a state's head.");
    }

    /// <summary>Refuses a state that this replica cannot hold, or that is not what was announced.</summary>
    /// <param name="model">Digest of the replica's model.</param>
    /// <param name="checkpoint">Address that the state was announced under.</param>
    /// <param name="shape">Of the replica's states.</param>
    /// <exception cref="StateRefusedException">Names the field, what was found and what was expected.</exception>
    public void RequireMatch(Digest model, string checkpoint, StateShape shape)
    {
        Require("layout version", LayoutVersion, StateAddress.LayoutVersion);
        Require("dtype", DType, StateShape.DType);
        Require("tokens of a page", Prefix.PageTokens, StateShape.PageTokens);
        Require("model", Prefix.Model, model);
        Require("checkpoint", Prefix.CheckpointAddress(Prefix.TokenCount).ToString(), checkpoint);
        Require("count of pieces", Checksums.Count, StateBlob.Of(shape, Prefix.TokenCount).Count());
    }

    /// <summary>Refuses a piece whose bytes are not those that were stored.</summary>
    /// <exception cref="StateRefusedException">Names the piece.</exception>
    public void Check(int index, StateBlob piece, ReadOnlySpan<byte> content)
    {
        var found = Checksum.Of(content);
        if (found != Checksums[index])
        {
            throw new StateRefusedException($"The {piece.Kind} of layer {piece.Layer}, page {piece.Page} of an offered state has checksum {found}; {Checksums[index]} is stored.");
        }
    }

    /// <summary>The blobs of the state, as the store has them.</summary>
    public IReadOnlyList<BlobReference> Blobs(StateShape shape) =>
        [.. StateBlob.Of(shape, Prefix.TokenCount).Select((piece, index) => new BlobReference(
            KindOf(piece.Kind), piece.Layer, piece.Page, AddressOf(piece), piece.Bytes, Checksums[index], DType))];

    private Digest AddressOf(StateBlob piece) => piece.Kind == StateBlobKind.Page
        ? Prefix.PageAddress(piece.Layer, piece.Page, DType)
        : Prefix.BlobAddress(KindOf(piece.Kind), piece.Layer, Prefix.TokenCount, DType);

    private static BlobKind KindOf(StateBlobKind kind) => kind switch
    {
        StateBlobKind.Recurrent => BlobKind.RecurrentState,
        StateBlobKind.Page => BlobKind.KeyValuePage,
        _ => BlobKind.KeyValueTail,
    };

    private static void Require<T>(string field, T found, T expected)
    {
        if (!EqualityComparer<T>.Default.Equals(found, expected))
        {
            throw new StateRefusedException($"The {field} of an offered state is {found}; {expected} is expected here.");
        }
    }

    private static void Put(ArrayBufferWriter<byte> bytes, int value)
    {
        BinaryPrimitives.WriteInt32LittleEndian(bytes.GetSpan(sizeof(int)), value);
        bytes.Advance(sizeof(int));
    }

    private static void Put(ArrayBufferWriter<byte> bytes, string text)
    {
        Put(bytes, Encoding.UTF8.GetByteCount(text));
        bytes.Write(Encoding.UTF8.GetBytes(text));
    }

    private static string Text(ref ReadOnlySpan<byte> bytes, string what) => Encoding.UTF8.GetString(Take(ref bytes, Int(ref bytes, $"length of the {what}", 0, MaxText), what));

    private static int Int(ref ReadOnlySpan<byte> bytes, string what, int least = int.MinValue, int most = int.MaxValue)
    {
        var value = BinaryPrimitives.ReadInt32LittleEndian(Take(ref bytes, sizeof(int), what));
        return value >= least && value <= most ? value : throw new StateRefusedException($"The {what} of an offered state is {value}; {least} to {most} are possible.");
    }

    private static ReadOnlySpan<byte> Take(ref ReadOnlySpan<byte> bytes, int count, string what)
    {
        if (count > bytes.Length)
        {
            throw new StateRefusedException($"The head of an offered state ends {bytes.Length} bytes after the beginning of its {what}, which has {count}.");
        }

        var taken = bytes[..count];
        bytes = bytes[count..];
        return taken;
    }
}
