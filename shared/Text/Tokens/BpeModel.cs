using System.Buffers;
using System.Text;

namespace Loire.Text;

/// <summary>Encodes one word: into its first symbols (bytes or characters), then by merges.</summary>
internal sealed class BpeModel(Dictionary<string, int> vocabulary, MergeTable merges, BpeOptions options)
{
    private const int StackSymbols = 256;
    private const int Missing = -1;

    private readonly Dictionary<string, int>.AlternateLookup<ReadOnlySpan<char>> _ids = vocabulary.GetAlternateLookup<ReadOnlySpan<char>>();
    private readonly int[] _levelIds = ByteIds(vocabulary, b => ByteAlphabet.CharOf(b).ToString());
    private readonly int[] _fallbackIds = ByteIds(vocabulary, b => $"<0x{b:X2}>");
    private readonly WordCache _cache = new();

    public void Append(ReadOnlySpan<char> word, List<int> ids)
    {
        if (word.IsEmpty)
        {
            return;
        }

        var slot = Missing;
        if (word.Length <= WordCache.LongestWord && _cache.TryGet(word, out slot, out var known))
        {
            ids.AddRange(known.AsSpan());
            return;
        }

        // Three UTF-8 bytes a UTF-16 unit at most, and at most one symbol a byte.
        var most = checked(word.Length * 3);
        var rented = most > StackSymbols ? ArrayPool<int>.Shared.Rent(most) : null;
        try
        {
            Span<int> symbols = rented is null ? stackalloc int[StackSymbols] : rented;
            var count = EncodeWord(word, symbols);
            ids.AddRange(symbols[..count]);
            if (slot != Missing)
            {
                _cache.Put(slot, word, symbols[..count]);
            }
        }
        finally
        {
            if (rented is not null)
            {
                ArrayPool<int>.Shared.Return(rented);
            }
        }
    }

    private int EncodeWord(ReadOnlySpan<char> word, Span<int> symbols)
    {
        if (options.IgnoreMerges && TryWhole(word, out var whole))
        {
            symbols[0] = whole;
            return 1;
        }

        var count = options.ByteLevel ? SymbolsOfBytes(word, symbols) : SymbolsOfCharacters(word, symbols);
        return merges.Merge(symbols[..count]);
    }

    private bool TryWhole(ReadOnlySpan<char> word, out int id)
    {
        if (!options.ByteLevel)
        {
            return _ids.TryGetValue(word, out id);
        }

        var bytes = Encoding.UTF8.GetBytes(word.ToString());
        var spelled = string.Create(bytes.Length, bytes, (chars, source) =>
        {
            for (var i = 0; i < chars.Length; i++)
            {
                chars[i] = ByteAlphabet.CharOf(source[i]);
            }
        });
        return vocabulary.TryGetValue(spelled, out id);
    }

    private int SymbolsOfBytes(ReadOnlySpan<char> word, Span<int> symbols)
    {
        var count = 0;
        Span<byte> bytes = stackalloc byte[4];
        foreach (var rune in word.EnumerateRunes())
        {
            var length = rune.EncodeToUtf8(bytes);
            for (var i = 0; i < length; i++)
            {
                count = Add(symbols, count, _levelIds[bytes[i]]);
            }
        }

        return count;
    }

    private int SymbolsOfCharacters(ReadOnlySpan<char> word, Span<int> symbols)
    {
        var count = 0;
        Span<char> chars = stackalloc char[2];
        foreach (var rune in word.EnumerateRunes())
        {
            var length = rune.EncodeToUtf16(chars);
            if (_ids.TryGetValue(chars[..length], out var id))
            {
                symbols[count++] = id;
            }
            else
            {
                count = AddUnknown(rune, symbols, count);
            }
        }

        return count;
    }

    private int AddUnknown(Rune rune, Span<int> symbols, int count)
    {
        Span<byte> bytes = stackalloc byte[4];
        var length = rune.EncodeToUtf8(bytes);
        var spelled = options.ByteFallback;
        for (var i = 0; i < length; i++)
        {
            spelled &= _fallbackIds[bytes[i]] != Missing;
        }

        if (!spelled)
        {
            return Add(symbols, count, Missing);
        }

        for (var i = 0; i < length; i++)
        {
            symbols[count++] = _fallbackIds[bytes[i]];
        }

        return count;
    }

    /// <summary>What the vocabulary lacks becomes the unknown token, or nothing where the file names none.</summary>
    private int Add(Span<int> symbols, int count, int id)
    {
        if (id == Missing)
        {
            if (options.UnknownId is not { } unknown || (options.FuseUnknown && count > 0 && symbols[count - 1] == unknown))
            {
                return count;
            }

            id = unknown;
        }

        symbols[count] = id;
        return count + 1;
    }

    private static int[] ByteIds(Dictionary<string, int> vocabulary, Func<byte, string> spelling)
    {
        var ids = new int[256];
        for (var b = 0; b < ids.Length; b++)
        {
            ids[b] = vocabulary.GetValueOrDefault(spelling((byte)b), Missing);
        }

        return ids;
    }
}

/// <param name="ByteLevel">Symbols are bytes in the byte alphabet; otherwise characters.</param>
/// <param name="ByteFallback">Characters that the vocabulary lacks are spelled as <c>&lt;0xNN&gt;</c> tokens.</param>
/// <param name="IgnoreMerges">A word that is a token is taken whole, whatever the merges would make of it.</param>
/// <param name="FuseUnknown">Neighbouring unknown characters become one unknown token.</param>
/// <param name="UnknownId">Stands for what nothing else spells; null: such characters are left out.</param>
internal sealed record BpeOptions(bool ByteLevel, bool ByteFallback, bool IgnoreMerges, bool FuseUnknown, int? UnknownId);
