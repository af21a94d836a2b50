namespace Loire.Text;

/// <summary>Tokens by id and by text, and the bytes that each adds to decoded text.</summary>
internal sealed class Vocabulary
{
    private readonly string?[] _texts;
    private readonly bool[] _special;
    private readonly byte[] _bytes;
    private readonly int[] _ends;
    private readonly Dictionary<string, int> _ids;

    public Vocabulary(Dictionary<string, int> model, IReadOnlyList<AddedToken> added, TokenDecoder decoder)
    {
        _ids = new Dictionary<string, int>(model, StringComparer.Ordinal);
        foreach (var token in added)
        {
            _ids[token.Content] = token.Id;
        }

        Size = _ids.Count == 0 ? 0 : _ids.Values.Max() + 1;
        _texts = new string?[Size];
        _special = new bool[Size];
        foreach (var (text, id) in _ids)
        {
            _texts[id] = text;
        }

        var literal = new bool[Size];
        foreach (var token in added)
        {
            literal[token.Id] = true; // an added token is written as it stands, not in the byte alphabet
            _special[token.Id] = token.Special;
        }

        (_bytes, _ends) = Pack(literal, decoder);
    }

    /// <summary>One more than the highest id. Ids between may be unused.</summary>
    public int Size { get; }

    public int? IdOf(string token) => _ids.TryGetValue(token, out var id) ? id : null;

    public string? TextOf(int id) => (uint)id < (uint)Size ? _texts[id] : null;

    public bool IsSpecial(int id) => (uint)id < (uint)Size && _special[id];

    /// <summary>Empty for ids without a token: a model's output may be wider than its vocabulary.</summary>
    public ReadOnlySpan<byte> BytesOf(int id)
    {
        if ((uint)id >= (uint)Size)
        {
            return [];
        }

        var start = id == 0 ? 0 : _ends[id - 1];
        return _bytes.AsSpan(start, _ends[id] - start);
    }

    private (byte[] Bytes, int[] Ends) Pack(bool[] literal, TokenDecoder decoder)
    {
        using var bytes = new MemoryStream();
        var ends = new int[Size];
        for (var id = 0; id < Size; id++)
        {
            if (_texts[id] is { } text)
            {
                bytes.Write(literal[id] ? System.Text.Encoding.UTF8.GetBytes(text) : decoder.BytesOf(text));
            }

            ends[id] = checked((int)bytes.Length);
        }

        return (bytes.ToArray(), ends);
    }
}
