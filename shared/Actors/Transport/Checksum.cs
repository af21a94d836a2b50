using System.Numerics;
using System.Runtime.InteropServices;

namespace Loire.Actors.Transport;

/// <summary>The checksum of a frame: CRC-32C of four interleaved lanes of eight-byte words, and a CRC-32C over the four.</summary>
/// <remarks>One lane would wait three cycles for each word; four keep the unit busy. Every bit of the frame changes exactly one lane, so all that CRC-32C finds is found.</remarks>
internal static class Checksum
{
    public static uint Of(ReadOnlySpan<byte> bytes)
    {
        var words = MemoryMarshal.Cast<byte, ulong>(bytes);
        uint a = (uint)bytes.Length, b = 1, c = 2, d = 3;
        var word = 0;
        for (; word <= words.Length - 4; word += 4)
        {
            a = BitOperations.Crc32C(a, words[word]);
            b = BitOperations.Crc32C(b, words[word + 1]);
            c = BitOperations.Crc32C(c, words[word + 2]);
            d = BitOperations.Crc32C(d, words[word + 3]);
        }

        foreach (var rest in bytes[(word * sizeof(ulong))..])
        {
            a = BitOperations.Crc32C(a, rest);
        }

        return BitOperations.Crc32C(BitOperations.Crc32C(a, ((ulong)b << 32) | c), d);
    }
}
