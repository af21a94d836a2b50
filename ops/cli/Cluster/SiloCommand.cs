using System.CommandLine;
using System.Net;
using System.Net.Sockets;
using Loire.Cli.Terminal;
using Loire.Engine.Replica;
using Loire.Silo;
using Loire.Store.Redis;
using Microsoft.Extensions.Hosting;

namespace Loire.Cli.Cluster;

/// <summary><c>loire silo</c>: one member of a cluster, which owns the devices of its host.</summary>
internal static class SiloCommand
{
    public static Command Create()
    {
        var cluster = new ClusterOptionSet();
        var name = new Option<string?>("--name") { Description = "What operators call it; unique in the cluster. Default: host name and port.", HelpName = "NAME" };
        var port = new Option<int>("--port") { Description = "Port for other silos and gateways.", HelpName = "PORT", DefaultValueFactory = _ => 11111 };
        var opsPort = new Option<int>("--ops-port") { Description = "Port of /health/live, /health/ready and /metrics; 0: none.", HelpName = "PORT" };
        var address = new Option<string>("--address") { Description = "IP address at which others reach this host, or a name that stands for it.", HelpName = "ADDRESS", DefaultValueFactory = _ => "127.0.0.1" };
        var model = CommonOptions.Model();
        var parts = new PartOptions();
        var threads = new Option<int>("--threads") { Description = "Threads that compute; 0 takes one a core.", HelpName = "N" };
        var timeToLive = CommonOptions.Count("--state-ttl", "Seconds that state stays in the store after its last use, when no session reaches it.", (int)TimeSpan.FromHours(24).TotalSeconds);
        var noRebalance = new Option<bool>("--no-rebalance") { Description = "Let no session move by itself to even out the load. Give it to all silos or to none." };
        var verbose = new Option<bool>("--verbose") { Description = "Log what happens, and not only what goes wrong." };
        var command = new Command("silo", "Joins a cluster on Redis and serves the model there. Gateways speak HTTP for it.") { name, port, opsPort, address, model, threads, timeToLive, noRebalance, verbose };
        parts.AddTo(command);
        cluster.AddTo(command);
        command.SetAction(async (arguments, cancellationToken) =>
        {
            var ip = await AddressOfAsync(arguments.GetValue(address)!, cancellationToken);
            var seconds = arguments.GetValue(timeToLive);
            var settings = cluster.Read(arguments) with { StateTimeToLive = TimeSpan.FromSeconds(seconds) };
            var options = parts.Read(arguments, new Silo.SiloOptions
            {
                ModelFolders = [CommonOptions.ModelFolderOf(arguments.GetValue(model))],
                IsClustered = true,
                LinkSecret = settings.Secret,
                Rebalance = !arguments.GetValue(noRebalance),
                SweepEvery = TimeSpan.FromSeconds(Math.Clamp(seconds / 2.0, 1, 600)),
                Engine = new EngineOptions { Threads = arguments.GetValue(threads), CommitsStates = true },
            });
            var silo = arguments.GetValue(name) ?? $"{Dns.GetHostName()}-{arguments.GetValue(port)}";
            using var host = Build(settings, options, silo, ip, arguments.GetValue(port), arguments.GetValue(opsPort), arguments.GetValue(verbose));
            await ProcessHost.RunAsync(host, $"silo {silo}", cancellationToken);
            return 0;
        });
        return command;
    }

    /// <summary>Others are told an address and no name, which may stand for another host tomorrow.</summary>
    private static async Task<IPAddress> AddressOfAsync(string text, CancellationToken cancellationToken)
    {
        if (IPAddress.TryParse(text, out var address))
        {
            return address;
        }

        try
        {
            return (await Dns.GetHostAddressesAsync(text, AddressFamily.InterNetwork, cancellationToken)).First();
        }
        catch (Exception unknown) when (unknown is SocketException or InvalidOperationException or ArgumentException)
        {
            throw new CommandFailedException($"--address is '{text}', which stands for no IPv4 address here; give the address at which others reach this host.", exitCode: 2);
        }
    }

    private static IHost Build(ClusterSettings cluster, Silo.SiloOptions options, string name, IPAddress address, int port, int opsPort, bool verbose)
    {
        var builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings { ContentRootPath = AppContext.BaseDirectory });
        ProcessHost.Log(builder.Logging, verbose);
        OpsServer.AddTo(builder.Services, address, opsPort);
        builder.Services.AddRedisCheckpointStore(cluster.Store);
        builder.AddLoireSilo(options, silo => cluster.Configure(silo, name, address, port));
        return builder.Build();
    }
}
