using System.Net;
using Loire.Engine.Replica;

namespace Loire.Cli.Serve;

/// <summary>What one embedded server serves, and where.</summary>
internal sealed record ServeSettings
{
    /// <summary>0: any free one.</summary>
    public required int Port { get; init; }

    /// <summary>Address to listen on.</summary>
    public string Host { get; init; } = "localhost";

    /// <summary>Keys that clients may use. Empty: none is asked for.</summary>
    public IReadOnlyList<string> ApiKeys { get; init; } = [];

    /// <summary>Names by which clients may call the server, beside its own.</summary>
    public IReadOnlyList<string> AllowedHosts { get; init; } = [];

    /// <summary>Whether only this machine can reach it.</summary>
    public bool IsLocal => Host == "localhost" || (IPAddress.TryParse(Host, out var address) && IPAddress.IsLoopback(address));

    /// <summary>Absolute.</summary>
    public required string DataDirectory { get; init; }

    /// <summary>Absolute.</summary>
    public required string ModelFolder { get; init; }

    public int Stages { get; init; } = 1;

    public int Shards { get; init; } = 1;

    /// <summary>The GPUs that compute; null: the CPU.</summary>
    public CudaOptions? Cuda { get; init; }

    /// <summary>Threads that compute; 0: one a core.</summary>
    public int Threads { get; init; }

    /// <summary>Whether the log says what happens, and not only what goes wrong.</summary>
    public bool Verbose { get; init; }
}
