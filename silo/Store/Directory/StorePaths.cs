using System.Text;

namespace Loire.Store;

/// <summary>Where each file of the store lies. Names of owners and sessions never become path parts; their digests do.</summary>
/// <remarks>
/// <code>
/// store.json  store.lock  store.pid  temp/  quarantine/
/// blobs/ab/abcd…            state, by address
/// checkpoints/ab/abcd….json manifests, by address
/// prefixes/ab/abcd…         empty: some checkpoint ends in the page after this page end
/// turns/ab/abcd….json       turns, by id
/// sessions/owner/ab/abcd….json references, by digest of owner and of session id
/// </code>
/// </remarks>
internal sealed class StorePaths(string root)
{
    private const string RecordExtension = ".json";

    public string Root { get; } = Path.TrimEndingDirectorySeparator(Path.GetFullPath(root));

    public string Format => Path.Combine(Root, "store.json");

    public string Lock => Path.Combine(Root, "store.lock");

    public string Holder => Path.Combine(Root, "store.pid");

    public string Temp => Path.Combine(Root, "temp");

    public string Quarantine => Path.Combine(Root, "quarantine");

    public string Blobs => Path.Combine(Root, "blobs");

    public string Checkpoints => Path.Combine(Root, "checkpoints");

    public string Prefixes => Path.Combine(Root, "prefixes");

    public string Turns => Path.Combine(Root, "turns");

    public string Sessions => Path.Combine(Root, "sessions");

    public IEnumerable<string> Folders => [Temp, Quarantine, Blobs, Checkpoints, Prefixes, Turns, Sessions];

    public string Blob(Digest address) => Fan(Blobs, address, "");

    public string Checkpoint(Digest address) => Fan(Checkpoints, address, RecordExtension);

    public string Prefix(Digest pageEnd) => Fan(Prefixes, pageEnd, "");

    public string Turn(Digest id) => Fan(Turns, id, RecordExtension);

    public string SessionsOf(StateOwner owner) => Path.Combine(Sessions, OfName("owner", owner.Value).ToString()[..32]);

    public string Session(StateOwner owner, string id) => Fan(SessionsOf(owner), OfName("session", id), RecordExtension);

    /// <summary>The address that a file's name stands for.</summary>
    public static bool TryAddress(ReadOnlySpan<char> fileName, out Digest address)
    {
        var name = fileName.EndsWith(RecordExtension, StringComparison.Ordinal) ? fileName[..^RecordExtension.Length] : fileName;
        return Digest.TryParse(name.ToString(), out address);
    }

    private static string Fan(string folder, Digest address, string extension)
    {
        var hex = address.ToString();
        return Path.Combine(folder, hex[..2], hex + extension);
    }

    private static Digest OfName(string domain, string name) => Digest.Of(Encoding.UTF8.GetBytes($"loire.{domain}.v1\0{name}"));
}
