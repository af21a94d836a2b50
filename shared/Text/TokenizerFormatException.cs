namespace Loire.Text;

/// <summary>A tokenizer file that cannot be used: names the file, the member, what was found and what is supported.</summary>
public sealed class TokenizerFormatException : Exception
{
    public TokenizerFormatException(string file, string member, string found, string supported, Exception? inner = null)
        : base($"{file}: {member}: found {found}; supported: {supported}.", inner)
    {
        File = file;
        Member = member;
    }

    /// <summary>The file's name as the caller gave it.</summary>
    public string File { get; }

    /// <summary>The JSON path of the offending member, such as <c>pre_tokenizer.pretokenizers[0].type</c>.</summary>
    public string Member { get; }
}
