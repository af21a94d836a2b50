using System.Net;
using Microsoft.Extensions.Options;
using Orleans.Configuration;
using Orleans.Runtime;

namespace Loire.Actors;

/// <summary>Who this silo is, fixed when the process starts.</summary>
internal sealed class SiloDetails : ILocalSiloDetails
{
    public SiloDetails(IOptions<SiloOptions> silo, IOptions<ClusterOptions> cluster, IOptions<EndpointOptions> endpoints, TimeProvider time)
    {
        var generation = SiloAddress.AllocateNewGeneration(time);
        ClusterId = cluster.Value.ClusterId;
        DnsHostName = Dns.GetHostName();
        SiloAddress = SiloAddress.New(endpoints.Value.AdvertisedIPAddress, endpoints.Value.SiloPort, generation);
        GatewayAddress = SiloAddress.New(endpoints.Value.AdvertisedIPAddress, endpoints.Value.GatewayPort, generation);
        Name = silo.Value.SiloName ?? $"{DnsHostName}-{endpoints.Value.SiloPort}";
    }

    public string Name { get; }

    public string ClusterId { get; }

    public string DnsHostName { get; }

    public SiloAddress SiloAddress { get; }

    public SiloAddress GatewayAddress { get; }
}
