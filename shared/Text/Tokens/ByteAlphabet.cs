using System.Text;

namespace Loire.Text;

/// <summary>The printable alphabet in which byte-level vocabularies spell bytes: byte 0x20 is written as U+0120, and so on.</summary>
internal static class ByteAlphabet
{
    private static readonly char[] s_charOfByte = BuildChars();
    private static readonly short[] s_byteOfChar = BuildBytes();

    public static char CharOf(byte value) => s_charOfByte[value];

    /// <summary>The bytes that a token spells. A token with a character outside the alphabet spells its own UTF-8.</summary>
    public static byte[] Spell(string token)
    {
        var bytes = new byte[token.Length];
        for (var i = 0; i < token.Length; i++)
        {
            var c = token[i];
            if (c >= s_byteOfChar.Length || s_byteOfChar[c] < 0)
            {
                return Encoding.UTF8.GetBytes(token);
            }

            bytes[i] = (byte)s_byteOfChar[c];
        }

        return bytes;
    }

    // Visible Latin-1 characters stand for themselves; the other bytes take the characters from U+0100 on, in order.
    private static char[] BuildChars()
    {
        var chars = new char[256];
        var next = 256;
        for (var b = 0; b < 256; b++)
        {
            var visible = b is (>= 0x21 and <= 0x7E) or (>= 0xA1 and <= 0xAC) or >= 0xAE;
            chars[b] = visible ? (char)b : (char)next++;
        }

        return chars;
    }

    private static short[] BuildBytes()
    {
        var bytes = new short[s_charOfByte.Max() + 1];
        Array.Fill(bytes, (short)-1);
        for (var b = 0; b < 256; b++)
        {
            bytes[s_charOfByte[b]] = (short)b;
        }

        return bytes;
    }
}
