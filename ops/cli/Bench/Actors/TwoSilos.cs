using System.Collections.Immutable;
using System.Net;
using System.Net.Sockets;
using System.Runtime.CompilerServices;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Orleans.Hosting;
using Orleans.Runtime;

namespace Loire.Cli.Bench.Actors;

/// <summary>A silo that knows one other by its address, without a store for membership.</summary>
internal sealed class TwoSilos(ILocalSiloDetails local) : IClusterMembershipService, ISiloAnnouncer
{
    private readonly TaskCompletionSource<SiloAddress> _met = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private SiloStatus _status;

    public ClusterMembershipSnapshot CurrentSnapshot { get; private set; } =
        new(ImmutableDictionary<SiloAddress, ClusterMember>.Empty, new MembershipVersion(0));

    public IAsyncEnumerable<ClusterMembershipSnapshot> MembershipUpdates => UpdatesAsync();

    /// <summary>Starts a silo on a free port of the loopback interface.</summary>
    public static async Task<IHost> StartSiloAsync(CancellationToken cancellationToken)
    {
        var builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings());
        builder.Logging.SetMinimumLevel(LogLevel.Warning);
        builder.Services.AddSingleton<TwoSilos>();
        builder.Services.AddSingleton<IClusterMembershipService>(services => services.GetRequiredService<TwoSilos>());
        builder.Services.AddSingleton<ISiloAnnouncer>(services => services.GetRequiredService<TwoSilos>());
        builder.UseOrleans(silo => silo.ConfigureEndpoints(IPAddress.Loopback, FreePort(), 0));
        var host = builder.Build();
        await host.StartAsync(cancellationToken);
        return host;
    }

    /// <summary>Names the other silo.</summary>
    public void Meet(SiloAddress other)
    {
        CurrentSnapshot = Snapshot(other);
        _met.SetResult(other);
    }

    public ValueTask Refresh(MembershipVersion minimumVersion = default, CancellationToken cancellationToken = default) => ValueTask.CompletedTask;

    public Task<bool> TryKill(SiloAddress siloAddress) => Task.FromResult(false);

    public Task AnnounceAsync(SiloStatus status, CancellationToken cancellationToken = default)
    {
        _status = status;
        CurrentSnapshot = Snapshot(null);
        return Task.CompletedTask;
    }

    private ClusterMembershipSnapshot Snapshot(SiloAddress? other)
    {
        var members = CurrentSnapshot.Members.SetItem(local.SiloAddress, new ClusterMember(local.SiloAddress, _status, local.Name));
        members = other is null ? members : members.SetItem(other, new ClusterMember(other, SiloStatus.Active, "other"));
        return new ClusterMembershipSnapshot(members, new MembershipVersion(CurrentSnapshot.Version.Value + 1));
    }

    private async IAsyncEnumerable<ClusterMembershipSnapshot> UpdatesAsync([EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        yield return CurrentSnapshot;
        await _met.Task.WaitAsync(cancellationToken);
        yield return CurrentSnapshot;
    }

    private static int FreePort()
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        return ((IPEndPoint)socket.LocalEndPoint!).Port;
    }
}
