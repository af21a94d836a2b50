namespace Loire.Contracts;

/// <summary>Whose session, and its name: the grain key <c>owner/id</c>.</summary>
/// <param name="Owner">Digest of the API key, or <see cref="LocalOwner"/>. Letters, digits and '-'.</param>
/// <param name="Id">1 to 128 of letters, digits, '.', '_', ':' and '-', beginning with a letter or digit.</param>
public readonly record struct SessionKey(string Owner, string Id)
{
    public const string LocalOwner = "local";
    public const int MaxIdLength = 128;

    public static bool IsValidId(string id) =>
        id.Length is > 0 and <= MaxIdLength
        && char.IsAsciiLetterOrDigit(id[0])
        && id.AsSpan().IndexOfAnyExcept(IdCharacters) < 0;

    public static SessionKey Parse(string key)
    {
        var slash = key.IndexOf('/', StringComparison.Ordinal);
        return slash > 0 && IsValidId(key[(slash + 1)..])
            ? new SessionKey(key[..slash], key[(slash + 1)..])
            : throw new FormatException($"'{key}' is no session key: owner/id is expected, with an id of 1 to {MaxIdLength} letters, digits, '.', '_', ':' and '-'.");
    }

    public override string ToString() => $"{Owner}/{Id}";

    private static readonly System.Buffers.SearchValues<char> IdCharacters =
        System.Buffers.SearchValues.Create("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:-");
}
