namespace Loire.Text;

/// <summary>Byte-level BPE as <c>tokenizer.json</c> describes it. Immutable and safe to share between threads.</summary>
public sealed class Tokenizer
{
    /// <exception cref="TokenizerFormatException">The file is damaged, out of bounds, or asks for something that is not supported.</exception>
    public static Tokenizer Load(string path) => throw new NotImplementedException();

    public static Tokenizer Parse(ReadOnlyMemory<byte> utf8Json, string name) => throw new NotImplementedException();

    public int VocabularySize => throw new NotImplementedException();

    public int[] Encode(string text, bool parseSpecial = true) => throw new NotImplementedException();

    public int CountTokens(string text) => throw new NotImplementedException();

    public string Decode(ReadOnlySpan<int> ids, bool skipSpecial = false) => throw new NotImplementedException();

    public int? IdOf(string token) => throw new NotImplementedException();

    public string? TokenText(int id) => throw new NotImplementedException();

    public bool IsSpecial(int id) => throw new NotImplementedException();

    public ReadOnlySpan<byte> BytesOf(int id) => throw new NotImplementedException();
}
