using System.Buffers;
using Microsoft.Win32.SafeHandles;

namespace Loire.Store;

/// <summary>Blobs on disk: put if absent, read verified, damaged ones put aside.</summary>
internal sealed class BlobFiles(StoreFiles files)
{
    private const int ShardCount = 256;

    private readonly Lock[] _shards = [.. Enumerable.Range(0, ShardCount).Select(_ => new Lock())];

    /// <returns>The reference of what is stored: this content, or what another writer put there first.</returns>
    public BlobReference Put(in BlobContent blob)
    {
        BlobHeader.Check(blob);
        var path = files.Paths.Blob(blob.Address);
        lock (_shards[blob.Address.Shard(ShardCount)])
        {
            using var pass = files.Gate.Enter();
            if (TryShare(path, blob) is { } stored)
            {
                return stored;
            }

            var header = BlobHeader.Of(blob);
            Span<byte> head = stackalloc byte[BlobHeader.ByteCount];
            header.Write(head);
            files.Write(path, head, blob.Content.Span, StoreCount.Blobs, files.Options.SyncState);
            files.Counters.Add(StoreCount.BlobsWritten);
            return header.ToReference();
        }
    }

    public bool Exists(Digest address) => File.Exists(files.Paths.Blob(address));

    /// <exception cref="DamagedBlobException">What is there is not what the reference says; a damaged file has been put aside.</exception>
    public void Read(BlobReference reference, Span<byte> destination)
    {
        if (destination.Length != reference.Length)
        {
            throw new ArgumentException(
                $"Blob {reference.Kind} of layer {reference.Layer}, page {reference.Page} has {reference.Length} bytes; its destination has {destination.Length}.");
        }

        var path = files.Paths.Blob(reference.Address);
        if (TryRead(path, reference, destination) is not { } fault)
        {
            files.Counters.Add(StoreCount.BlobsRead);
            return;
        }

        if (fault.Damage is not (BlobDamage.Missing or BlobDamage.Replaced))
        {
            PutAsideIfStillDamaged(path, reference.Address);
        }

        throw new DamagedBlobException(reference, path, fault.Damage, fault.Found);
    }

    private BlobReference? TryShare(string path, in BlobContent blob)
    {
        if (Inspect(path, blob.Address, out var header) is { } fault)
        {
            if (fault.Damage != BlobDamage.Missing)
            {
                files.PutAside(path, StoreCount.Blobs, fault.Found);
            }

            return null;
        }

        var stored = header.ToReference();
        if (stored.Length != blob.Content.Length || stored.Kind != blob.Kind || stored.DType != blob.DType)
        {
            throw new BlobConflictException(
                $"Blob '{path}' is {stored.Kind} of {stored.Length} bytes in {stored.DType}; "
                + $"{blob.Kind} of {blob.Content.Length} bytes in {blob.DType} was to be put there. Two writers disagree on the layout.");
        }

        files.Touch(path);
        files.Counters.Add(StoreCount.BlobsShared);
        return stored;
    }

    /// <summary>Looks at a file from outside: header and length, not content.</summary>
    private static Fault? Inspect(string path, Digest address, out BlobHeader header)
    {
        header = default;
        try
        {
            using var handle = StoreFiles.TryOpen(path);
            return handle is null ? Fault.Missing : ReadHeader(handle, address, out header);
        }
        catch (DamagedRecordException damaged)
        {
            return new Fault(BlobDamage.Header, damaged.Message);
        }
    }

    private static Fault? ReadHeader(SafeFileHandle handle, Digest address, out BlobHeader header)
    {
        header = default;
        var length = RandomAccess.GetLength(handle);
        Span<byte> bytes = stackalloc byte[BlobHeader.ByteCount];
        if (length < bytes.Length || ReadFully(handle, bytes, 0) < bytes.Length)
        {
            return new Fault(BlobDamage.Length, $"the file has {length} bytes; its header alone has {BlobHeader.ByteCount}");
        }

        if (BlobHeader.TryRead(bytes, out header) is { } wrong)
        {
            return new Fault(BlobDamage.Header, wrong);
        }

        if (header.Address != address)
        {
            return new Fault(BlobDamage.Header, $"the header belongs to address {header.Address}");
        }

        return length - BlobHeader.ByteCount == header.Length
            ? null
            : new Fault(BlobDamage.Length, $"the file has {length - BlobHeader.ByteCount} bytes of content; its header says {header.Length}");
    }

    private static Fault? TryRead(string path, BlobReference reference, Span<byte> destination)
    {
        try
        {
            using var handle = StoreFiles.TryOpen(path);
            return handle is null
                ? Fault.Missing
                : ReadHeader(handle, reference.Address, out var header) ?? Compare(header, reference) ?? ReadContent(handle, header, destination);
        }
        catch (DamagedRecordException damaged)
        {
            return new Fault(BlobDamage.Header, damaged.Message);
        }
        catch (IOException failure)
        {
            throw StoreFiles.Explain(failure, "read", path);
        }
    }

    private static Fault? Compare(BlobHeader header, BlobReference reference) => header.ToReference() == reference
        ? null
        : new Fault(
            BlobDamage.Replaced,
            $"it is {header.Kind} of {header.Length} bytes in {header.DType} with checksum {header.Checksum}; "
            + $"the checkpoint lists {reference.Length} bytes in {reference.DType} with checksum {reference.Checksum}");

    private static Fault? ReadContent(SafeFileHandle handle, BlobHeader header, Span<byte> destination)
    {
        if (ReadFully(handle, destination, BlobHeader.ByteCount) is var read && read < destination.Length)
        {
            return new Fault(BlobDamage.Length, $"the file ended after {read} of {destination.Length} bytes of content");
        }

        return Checksum.Of(destination) is var found && found == header.Checksum
            ? null
            : new Fault(BlobDamage.Content, $"its bytes have checksum {found}; its header says {header.Checksum}");
    }

    private static int ReadFully(SafeFileHandle handle, Span<byte> destination, long offset)
    {
        var total = 0;
        while (total < destination.Length && RandomAccess.Read(handle, destination[total..], offset + total) is var read and > 0)
        {
            total += read;
        }

        return total;
    }

    /// <summary>Between the read and now another reader may have put it aside, and a writer a sound one in its place: so looks again, alone.</summary>
    private void PutAsideIfStillDamaged(string path, Digest address)
    {
        lock (_shards[address.Shard(ShardCount)])
        {
            using var pass = files.Gate.Enter();
            var fault = Inspect(path, address, out var header);
            if (fault is null)
            {
                var content = ArrayPool<byte>.Shared.Rent((int)header.Length);
                fault = TryRead(path, header.ToReference(), content.AsSpan(0, (int)header.Length));
                ArrayPool<byte>.Shared.Return(content);
            }

            if (fault is { Damage: not BlobDamage.Missing } damaged)
            {
                files.PutAside(path, StoreCount.Blobs, damaged.Found);
            }
        }
    }

    private readonly record struct Fault(BlobDamage Damage, string Found)
    {
        public static readonly Fault Missing = new(BlobDamage.Missing, "it is not stored");
    }
}
