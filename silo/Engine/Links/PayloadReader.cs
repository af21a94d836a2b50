using System.Buffers.Binary;
using System.Runtime.InteropServices;

namespace Loire.Engine.Links;

/// <summary>Reads a payload from its beginning. Whatever the bytes are, it reads inside them or refuses.</summary>
internal ref struct PayloadReader(ReadOnlySpan<byte> payload)
{
    private const int MaxText = 4096;
    private ReadOnlySpan<byte> _left = payload;

    public readonly int Left => _left.Length;

    public ReadOnlySpan<byte> Bytes(int count)
    {
        if (count < 0 || count > _left.Length)
        {
            throw new FrameException($"A payload ends {_left.Length} bytes after a field that needs {count}.");
        }

        var bytes = _left[..count];
        _left = _left[count..];
        return bytes;
    }

    public int Int() => BinaryPrimitives.ReadInt32LittleEndian(Bytes(sizeof(int)));

    /// <summary>An integer of [least, most].</summary>
    public int Int(string what, int least, int most)
    {
        var value = Int();
        return value >= least && value <= most ? value : throw new FrameException($"{what} is {value}; {least} to {most} are possible.");
    }

    public ReadOnlySpan<int> Ints(int count) => MemoryMarshal.Cast<byte, int>(Bytes(checked(count * sizeof(int))));

    public string Text() => System.Text.Encoding.UTF8.GetString(Bytes(Int("The length of a text", 0, MaxText)));

    /// <exception cref="FrameException">More came than was expected.</exception>
    public readonly void End()
    {
        if (_left.Length != 0)
        {
            throw new FrameException($"{_left.Length} bytes follow the end of a payload.");
        }
    }
}
