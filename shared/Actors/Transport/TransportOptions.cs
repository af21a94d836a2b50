using System.Net.Security;

namespace Loire.Actors.Transport;

/// <summary>How silos and clients are linked.</summary>
public sealed class TransportOptions
{
    /// <summary>What both ends of a connection must know; at least 16 characters. Without it, a silo only listens on the loopback address.</summary>
    public string? ClusterSecret { get; set; }

    /// <summary>The largest call or answer, in bytes. A larger one fails at its sender.</summary>
    public int MaxFrameBytes { get; set; } = 256 << 20;

    /// <summary>How many bytes may wait to be sent on one connection; calls beyond wait for their turn, unwritten.</summary>
    public int SendQueueBytes { get; set; } = 16 << 20;

    /// <summary>How many calls may wait for a connection or for room on it; the next one fails with <see cref="Orleans.Runtime.LimitExceededException"/>.</summary>
    public int WaitingCalls { get; set; } = 10_000;

    /// <summary>How long connecting and the handshake may take.</summary>
    public TimeSpan ConnectTimeout { get; set; } = TimeSpan.FromSeconds(5);

    /// <summary>How often a quiet connection is asked whether it still stands; one that is silent for three periods is closed.</summary>
    public TimeSpan KeepAlivePeriod { get; set; } = TimeSpan.FromSeconds(5);

    /// <summary>How many connections that have not shown the secret may be open at once; further ones are closed.</summary>
    public int PendingHandshakes { get; set; } = 64;

    /// <summary>The most that one activation may take along when it moves, in bytes.</summary>
    public int MaxMigrationBytes { get; set; } = 100 << 20;

    /// <summary>Switches TLS on for connections that others open to this silo.</summary>
    public SslServerAuthenticationOptions? TlsServer { get; set; }

    /// <summary>Switches TLS on for connections that this process opens.</summary>
    public SslClientAuthenticationOptions? TlsClient { get; set; }
}
