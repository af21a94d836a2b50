using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Loire.Engine.Links;

/// <summary>CRC-32C over the parts of a frame, eight bytes at a time in the processor's unit.</summary>
internal static class Crc32C
{
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static uint Extend(uint crc, ReadOnlySpan<byte> bytes)
    {
        var words = MemoryMarshal.Cast<byte, ulong>(bytes);
        foreach (var word in words)
        {
            crc = BitOperations.Crc32C(crc, word);
        }

        foreach (var rest in bytes[(words.Length * sizeof(ulong))..])
        {
            crc = BitOperations.Crc32C(crc, rest);
        }

        return crc;
    }
}
