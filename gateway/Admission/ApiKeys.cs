using System.Security.Cryptography;
using System.Text;
using Loire.Contracts;

namespace Loire.Gateway;

/// <summary>Who may come in. Keeps digests only, and takes as long for a wrong key as for a right one.</summary>
internal sealed class ApiKeys(GatewayOptions options)
{
    private const int OwnerLength = 32;

    private readonly byte[][] _digests = [.. options.ApiKeys.Select(static key => SHA256.HashData(Encoding.UTF8.GetBytes(key)))];

    public bool AreNeeded => _digests.Length > 0;

    /// <summary>The owner that an <c>authorization</c> header stands for, or null when it stands for nobody.</summary>
    public string? OwnerOf(string authorization)
    {
        if (!AreNeeded)
        {
            return SessionKey.LocalOwner;
        }

        const string Scheme = "Bearer ";
        if (!authorization.StartsWith(Scheme, StringComparison.OrdinalIgnoreCase))
        {
            return null;
        }

        var digest = SHA256.HashData(Encoding.UTF8.GetBytes(authorization[Scheme.Length..].Trim()));
        var known = false;
        foreach (var candidate in _digests)
        {
            known |= CryptographicOperations.FixedTimeEquals(candidate, digest);
        }

        return known ? OwnerOf(digest) : null;
    }

    /// <summary>The owner that a key stands for.</summary>
    public static string OwnerOfKey(string key) => OwnerOf(SHA256.HashData(Encoding.UTF8.GetBytes(key)));

    private static string OwnerOf(byte[] digest) => Convert.ToHexStringLower(digest)[..OwnerLength];
}
