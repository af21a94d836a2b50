namespace Loire.Store;

/// <summary>The store could not do what was asked. The message says what, on which file, what was found and what to do.</summary>
public abstract class StoreException(string message, Exception? inner = null) : Exception(message, inner);

/// <summary>No room. What was stored before stands; nothing half-written remains.</summary>
public sealed class StoreFullException(string message, Exception? inner = null) : StoreException(message, inner);

/// <summary>Another process has the store open.</summary>
public sealed class StoreInUseException(string message, Exception? inner = null) : StoreException(message, inner);

/// <summary>The file system or the server failed. Nothing is known to be damaged; the same call may succeed later.</summary>
public sealed class StoreUnavailableException(string message, Exception? inner = null) : StoreException(message, inner);

/// <summary>The store did not answer within its time. What was asked may happen yet; the same call may succeed later.</summary>
public sealed class StoreSlowException(string message, Exception? inner = null) : StoreException(message, inner);

/// <summary>A record is larger than the store takes. It was refused before anything was written.</summary>
public sealed class RecordTooLargeException(string message) : StoreException(message);

/// <summary>Something is to be referred to that is not stored.</summary>
public sealed class MissingStateException(string message, Digest missing) : StoreException(message)
{
    public Digest Missing { get; } = missing;
}

/// <summary>An address has a blob of another length: two writers disagree on the layout.</summary>
public sealed class BlobConflictException(string message) : StoreException(message);

/// <summary>What is wrong with a blob.</summary>
public enum BlobDamage
{
    /// <summary>It is not stored.</summary>
    Missing = 1,

    /// <summary>Its file is shorter or longer than its header says.</summary>
    Length = 2,

    /// <summary>Its header is no blob header, or is damaged.</summary>
    Header = 3,

    /// <summary>Its bytes are not those that were written.</summary>
    Content = 4,

    /// <summary>It is sound, but another writer's: not the bytes that the checkpoint lists.</summary>
    Replaced = 5,
}

/// <summary>A blob cannot be restored. Look for a shorter checkpoint, or compute the state from its tokens.</summary>
public sealed class DamagedBlobException(BlobReference reference, string path, BlobDamage damage, string found)
    : StoreException(
        $"Blob {reference.Kind} of layer {reference.Layer}, page {reference.Page}, in '{path}' cannot be restored ({damage}): {found}. "
        + "The state has to be computed from its tokens.")
{
    public BlobReference Reference { get; } = reference;

    public Digest Address => Reference.Address;

    public string Path { get; } = path;

    public BlobDamage Damage { get; } = damage;
}

/// <summary>A manifest, turn or session reference cannot be understood.</summary>
public sealed class DamagedRecordException(string path, string field, string found, Exception? inner = null)
    : StoreException($"'{path}' is damaged: {field}: {found}.", inner)
{
    public string Path { get; } = path;

    public string Field { get; } = field;
}

/// <summary>A checkpoint is sound, but not the state that was asked for.</summary>
public sealed class CheckpointRefusedException(Digest address, string field, string found, string expected)
    : StoreException($"Checkpoint {address} is refused: {field} is {found}, expected {expected}. The state has to be computed from its tokens.")
{
    public Digest Address { get; } = address;

    public string Field { get; } = field;
}
