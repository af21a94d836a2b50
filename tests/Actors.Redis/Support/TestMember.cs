using System.Net;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Orleans.Configuration;
using Orleans.GrainDirectory;
using Orleans.Runtime;
using Orleans.Runtime.MembershipService.SiloMetadata;

namespace Loire.Actors.Redis.Tests;

/// <summary>One member of a cluster, or one client, without a silo around it.</summary>
internal sealed class TestMember : IAsyncDisposable
{
    private static int s_port = 20_000;
    private readonly ServiceProvider _services;

    private TestMember(ServiceProvider services, SiloAddress address)
    {
        _services = services;
        Address = address;
    }

    public SiloAddress Address { get; }

    public RecordingLog Log => _services.GetRequiredService<RecordingLog>();

    public IClusterMembershipService Membership => _services.GetRequiredService<IClusterMembershipService>();

    public ISiloMetadataCache Metadata => _services.GetRequiredService<ISiloMetadataCache>();

    public IClusterGateways Gateways => _services.GetRequiredService<IClusterGateways>();

    public IClusterLease Lease => _services.GetRequiredService<IClusterLease>();

    public IGrainDirectory Directory => _services.GetRequiredService<IGrainDirectory>();

    public ISiloAnnouncer Announcer => _services.GetRequiredService<ISiloAnnouncer>();

    public IRefusedSilos Refusals => _services.GetRequiredService<IRefusedSilos>();

    public MembershipTable Table => _services.GetRequiredService<MembershipTable>();

    public ClusterKeys Keys => _services.GetRequiredService<ClusterKeys>();

    public static SiloAddress NewAddress() => SiloAddress.New(IPAddress.Loopback, Interlocked.Increment(ref s_port), 1);

    /// <summary>Not yet joined.</summary>
    public static TestMember Create(
        string redis, string cluster, Action<RedisLeaseOptions>? leases = null, SiloAddress? address = null, Dictionary<string, string>? metadata = null)
    {
        var services = Services(redis, cluster, leases);
        var details = new Details(address ?? NewAddress(), cluster);
        services.AddSingleton<ILocalSiloDetails>(details);
        services.AddOptions<SiloMetadata>().Configure(options => options.AddMetadata(metadata ?? []));
        RedisClusteringServices.AddMember(services);
        return new(services.BuildServiceProvider(), details.SiloAddress);
    }

    public static async Task<TestMember> JoinAsync(
        string redis, string cluster, Action<RedisLeaseOptions>? leases = null, SiloAddress? address = null, Dictionary<string, string>? metadata = null)
    {
        var member = Create(redis, cluster, leases, address, metadata);
        await member.Announcer.AnnounceAsync(SiloStatus.Joining);
        await member.Announcer.AnnounceAsync(SiloStatus.Active);
        return member;
    }

    public static async Task<TestMember> ConnectClientAsync(string redis, string cluster, Action<RedisLeaseOptions>? leases = null)
    {
        var services = Services(redis, cluster, leases);
        RedisClusteringServices.AddClient(services);
        var client = new TestMember(services.BuildServiceProvider(), SiloAddress.Zero);
        foreach (var hosted in client._services.GetServices<IHostedService>())
        {
            await hosted.StartAsync(CancellationToken.None);
        }

        return client;
    }

    /// <summary>For one that is to die, or whose lease is to end.</summary>
    public static void Fast(RedisLeaseOptions options) => options.UseFastProfile();

    /// <summary>For one that is to live: it looks as often as a fast one, and a busy machine costs it no lease.</summary>
    public static void Patient(RedisLeaseOptions options)
    {
        options.UseFastProfile();
        options.Lease = TimeSpan.FromSeconds(30);
    }

    /// <summary>Waits until this member sees another with this status.</summary>
    public async Task SeesAsync(SiloAddress silo, SiloStatus status)
    {
        using var timeout = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        try
        {
            await foreach (var snapshot in Membership.MembershipUpdates.WithCancellation(timeout.Token))
            {
                if (snapshot.GetSiloStatus(silo) == status)
                {
                    return;
                }
            }
        }
        catch (OperationCanceledException)
        {
            var seen = string.Join(", ", Membership.CurrentSnapshot.Members.Values.Select(member => $"{member.SiloAddress} {member.Status}"));
            throw new TimeoutException($"{Address} waited for {silo} to be {status}; at version {Membership.CurrentSnapshot.Version} it sees [{seen}]. Log: {Log}");
        }
    }

    public Task LeaveAsync() => Announcer.AnnounceAsync(SiloStatus.Dead);

    /// <summary>Ends without a word, like a process that is killed: nothing is renewed any more.</summary>
    public ValueTask VanishAsync() => DisposeAsync();

    public ValueTask DisposeAsync() => _services.DisposeAsync();

    private static ServiceCollection Services(string redis, string cluster, Action<RedisLeaseOptions>? leases)
    {
        var services = new ServiceCollection();
        var log = new RecordingLog();
        services.AddSingleton(log);
        services.AddLogging(logging => logging.AddProvider(log));
        services.Configure<ClusterOptions>(options => options.ClusterId = cluster);
        services.Configure(Orleans.Hosting.RedisConnection.From(redis));
        services.Configure(leases ?? (_ => { }));
        return services;
    }

    private sealed record Details(SiloAddress SiloAddress, string ClusterId) : ILocalSiloDetails
    {
        public string Name => $"silo-{SiloAddress.Endpoint.Port}";

        public string DnsHostName => "localhost";

        public SiloAddress GatewayAddress => SiloAddress.New(SiloAddress.Endpoint.Address, SiloAddress.Endpoint.Port + 10_000, SiloAddress.Generation);
    }
}
