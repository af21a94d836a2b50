using System.Buffers.Binary;
using System.IO.MemoryMappedFiles;

namespace Loire.Engine.Weights;

/// <summary>A safetensors file, mapped into memory: its pages are read as they are first touched.</summary>
/// <remarks>
/// Safe for many threads, until it is disposed: then every <see cref="TensorView"/> of it is invalid.
/// The file must not be shortened while it is mapped; the operating system would end the process at the next touch.
/// </remarks>
public sealed unsafe class SafetensorsFile : IDisposable
{
    private readonly MemoryMappedFile _map;
    private readonly MemoryMappedViewAccessor _view;
    private readonly Dictionary<string, TensorEntry> _tensors;
    private byte* _start;

    private SafetensorsFile(
        string path, long length, MemoryMappedFile map, MemoryMappedViewAccessor view, byte* start, Dictionary<string, TensorEntry> tensors)
    {
        Path = path;
        Length = length;
        _map = map;
        _view = view;
        _start = start;
        _tensors = tensors;
    }

    public string Path { get; }

    /// <summary>Of the file, in bytes.</summary>
    public long Length { get; }

    /// <summary>Bytes before the first tensor's.</summary>
    internal long HeaderLength => SafetensorsHeader.PrefixBytes + (long)BinaryPrimitives.ReadUInt64LittleEndian(Bytes(0, SafetensorsHeader.PrefixBytes));

    public IReadOnlyDictionary<string, TensorEntry> Tensors => _tensors;

    /// <summary>Opens the file and checks its header; reads no weights.</summary>
    /// <exception cref="ModelFormatException">The file is missing, or breaks a rule of the format: says which, and where.</exception>
    public static SafetensorsFile Open(string path)
    {
        using var stream = ModelFiles.OpenRead(path);
        try
        {
            return Map(path, stream, ReadHeader(path, stream));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw ModelFiles.Unreadable(path, e);
        }
    }

    /// <exception cref="ModelFormatException">No such tensor, or its type is not supported.</exception>
    /// <exception cref="ObjectDisposedException">The file has been disposed.</exception>
    public TensorView Get(string name)
    {
        ObjectDisposedException.ThrowIf(_start is null, this);
        if (!_tensors.TryGetValue(name, out var entry))
        {
            throw new ModelFormatException(Path, $"has no tensor '{name}'.");
        }

        if (entry.Type is TensorType.Unsupported)
        {
            throw new ModelFormatException(Path, $"tensor '{name}' has type {entry.TypeName}, which is not supported.");
        }

        return new TensorView(entry, Path, _start + entry.Offset);
    }

    internal ReadOnlySpan<byte> Bytes(long offset, int count)
    {
        ObjectDisposedException.ThrowIf(_start is null, this);
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(offset, Length - count);
        return new ReadOnlySpan<byte>(_start + offset, count);
    }

    public void Dispose()
    {
        if (_start is null)
        {
            return;
        }

        _start = null;
        _view.SafeMemoryMappedViewHandle.ReleasePointer();
        _view.Dispose();
        _map.Dispose();
    }

    private static Dictionary<string, TensorEntry> ReadHeader(string path, FileStream stream)
    {
        if (stream.Length < SafetensorsHeader.PrefixBytes)
        {
            throw new ModelFormatException(path, $"has {stream.Length} bytes; a safetensors file has at least {SafetensorsHeader.PrefixBytes}.");
        }

        Span<byte> prefix = stackalloc byte[SafetensorsHeader.PrefixBytes];
        stream.ReadExactly(prefix);
        var headerBytes = BinaryPrimitives.ReadUInt64LittleEndian(prefix);
        var rest = (ulong)(stream.Length - SafetensorsHeader.PrefixBytes);
        if (headerBytes > JsonBytes.MaxBytes || headerBytes > rest)
        {
            throw new ModelFormatException(
                path, $"says that its header has {headerBytes} bytes; {rest} follow, and at most {JsonBytes.MaxBytes} are allowed. Is it a safetensors file, and complete?");
        }

        var header = new byte[headerBytes];
        stream.ReadExactly(header);
        return SafetensorsHeader.Parse(path, header, (long)(rest - headerBytes));
    }

    private static SafetensorsFile Map(string path, FileStream stream, Dictionary<string, TensorEntry> tensors)
    {
        var map = MemoryMappedFile.CreateFromFile(stream, null, 0, MemoryMappedFileAccess.Read, HandleInheritability.None, leaveOpen: true);
        MemoryMappedViewAccessor? view = null;
        try
        {
            view = map.CreateViewAccessor(0, 0, MemoryMappedFileAccess.Read);
            byte* start = null;
            view.SafeMemoryMappedViewHandle.AcquirePointer(ref start);
            return new SafetensorsFile(path, stream.Length, map, view, start + view.PointerOffset, tensors);
        }
        catch
        {
            view?.Dispose();
            map.Dispose();
            throw;
        }
    }
}
