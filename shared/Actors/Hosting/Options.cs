using System.Net;

namespace Orleans.Configuration;

/// <summary>Which cluster the process belongs to.</summary>
public class ClusterOptions
{
    internal const string DevelopmentName = "dev";

    /// <summary>Silos of one cluster find each other; silos of two never do.</summary>
    public string ClusterId { get; set; } = "default";

    /// <summary>Names the application in its stores; stays when the cluster is replaced.</summary>
    public string ServiceId { get; set; } = "default";
}

/// <summary>How one silo names itself.</summary>
public class SiloOptions
{
    /// <summary>The silo's name; the host's name with a few random characters when it is not set.</summary>
    public string? SiloName { get; set; }
}

/// <summary>Where a silo is reached.</summary>
public class EndpointOptions
{
    /// <summary>The port for other silos, unless set.</summary>
    public const int DEFAULT_SILO_PORT = 11111;

    /// <summary>The port for clients, unless set.</summary>
    public const int DEFAULT_GATEWAY_PORT = 30000;

    /// <summary>The address that others use.</summary>
    public IPAddress AdvertisedIPAddress { get; set; } = IPAddress.Loopback;

    /// <summary>The port for other silos.</summary>
    public int SiloPort { get; set; } = DEFAULT_SILO_PORT;

    /// <summary>The port for clients.</summary>
    public int GatewayPort { get; set; } = DEFAULT_GATEWAY_PORT;

    /// <summary>Where the silo listens for others; the advertised address and port when it is not set.</summary>
    public IPEndPoint? SiloListeningEndpoint { get; set; }

    /// <summary>Where the silo listens for clients; the advertised address and port when it is not set.</summary>
    public IPEndPoint? GatewayListeningEndpoint { get; set; }
}

/// <summary>How calls are carried.</summary>
public class SiloMessagingOptions
{
    /// <summary>How long a caller waits for an answer.</summary>
    public TimeSpan ResponseTimeout { get; set; } = TimeSpan.FromSeconds(30);

    /// <summary>How many calls may wait at one activation; the next one is refused with <see cref="Runtime.LimitExceededException"/>. Zero for the default of 10,000.</summary>
    public int MaxEnqueuedRequestsHardLimit { get; set; }

    /// <summary>Whether the grain's token is cancelled when the caller stops waiting.</summary>
    public bool CancelRequestOnTimeout { get; set; }

    internal int WaitingLimit => MaxEnqueuedRequestsHardLimit > 0 ? MaxEnqueuedRequestsHardLimit : 10_000;
}

/// <summary>When activations begin and end.</summary>
public class GrainCollectionOptions
{
    /// <summary>How long an activation may be idle before it ends.</summary>
    public TimeSpan CollectionAge { get; set; } = TimeSpan.FromMinutes(15);

    /// <summary>How often the silo looks for idle activations.</summary>
    public TimeSpan CollectionQuantum { get; set; } = TimeSpan.FromMinutes(1);

    /// <summary>How long an activation may take to begin.</summary>
    public TimeSpan ActivationTimeout { get; set; } = TimeSpan.FromSeconds(30);

    /// <summary>How long an activation may take to end: its running calls and then its own clean-up.</summary>
    public TimeSpan DeactivationTimeout { get; set; } = TimeSpan.FromSeconds(30);

    /// <summary>How long an activation of these grain classes (full name) may be idle.</summary>
    public Dictionary<string, TimeSpan> ClassSpecificCollectionAge { get; } = [];
}

/// <summary>Options of the store in memory; it has none.</summary>
public class MemoryGrainStorageOptions;
