using System.CommandLine;
using Loire.Cli.Http;
using Loire.Cli.Terminal;

namespace Loire.Cli.Cluster;

/// <summary><c>loire cluster</c>: Redis, silos and gateways as processes of this machine, and what happens to them.</summary>
internal static class ClusterCommand
{
    private static readonly TimeSpan StartPatience = TimeSpan.FromMinutes(2);
    private static readonly TimeSpan StopPatience = TimeSpan.FromSeconds(30);

    public static Command Create()
    {
        var command = new Command("cluster", "A cluster of processes on this machine: Redis, silos, gateways.") { Up(), Status(), Down() };
        command.Add(Add());
        command.Add(OfOne("kill", "Kills a process at once, as a crash would.", static (_, process, _) => Told(process, Signal.Kill)));
        command.Add(OfOne("freeze", "Stops a process from running, without ending it.", static (_, process, _) => Told(process, Signal.Stop)));
        command.Add(OfOne("thaw", "Lets a frozen process run again.", static (_, process, _) => Told(process, Signal.Continue)));
        command.Add(OfOne("drain", "Ends a silo in good order: its sessions go on elsewhere.", DrainAsync));
        command.Add(OfOne("start", "Starts a process again that has ended.", StartAsync));
        return command;
    }

    private static Option<string> Folder() => new("--data")
    {
        Description = "Folder of the cluster: logs, Redis' data, what runs. Default: data/cluster in the repository.",
        HelpName = "DIR",
        DefaultValueFactory = _ => Path.Combine(Places.Data, "cluster"),
    };

    private static Command Up()
    {
        var silos = new Argument<int>("silos") { Description = "How many silos.", DefaultValueFactory = _ => 3 };
        var gateways = CommonOptions.Count("--gateways", "How many gateways.", 2);
        var port = CommonOptions.Count("--port", "Port of the first gateway; the others follow.", 8080);
        var siloPort = CommonOptions.Count("--silo-port", "Port of the first silo; the others follow.", 11111);
        var opsPort = new Option<int>("--ops-port") { Description = "Port of the first silo's /health and /metrics; the others follow. 0: none.", HelpName = "PORT", DefaultValueFactory = _ => 12111 };
        var redisPort = CommonOptions.Count("--redis-port", "Port of Redis.", 16379);
        var threads = new Option<int>("--threads") { Description = "Threads that compute, in each silo. 0: the cores, shared out.", HelpName = "N" };
        var fast = new Option<bool>("--fast") { Description = "Short leases: a dead silo is found within a second." };
        var model = CommonOptions.Model();
        var folder = Folder();
        var command = new Command("up", "Starts Redis, silos and gateways, and returns when turns can run.") { silos, gateways, port, siloPort, opsPort, redisPort, threads, fast, model, folder };
        command.SetAction(async (arguments, cancellationToken) =>
        {
            var count = arguments.GetValue(silos);
            if (count < 1)
            {
                throw new CommandFailedException($"silos is {count}; it must be at least 1.", exitCode: 2);
            }

            var settings = new LocalSettings
            {
                Port = arguments.GetValue(port),
                SiloPort = arguments.GetValue(siloPort),
                OpsPort = arguments.GetValue(opsPort),
                RedisPort = arguments.GetValue(redisPort),
                Model = CommonOptions.ModelFolderOf(arguments.GetValue(model)),
                Threads = arguments.GetValue(threads) is > 0 and var given ? given : Math.Max(1, Environment.ProcessorCount / count),
                Fast = arguments.GetValue(fast),
            };
            var cluster = await UpAsync(arguments.GetValue(folder)!, settings, count, arguments.GetValue(gateways), cancellationToken);
            await ClusterStatus.PrintAsync(cluster, Console.Out, cancellationToken);
            Console.WriteLine();
            Console.WriteLine($"  Open {cluster.Gateway} in a browser. Logs: {cluster.Folder}. It runs until 'ops/cluster down'.");
            return 0;
        });
        return command;
    }

    /// <summary>Starts everything and waits until turns can run. When that fails, nothing stays behind but the logs.</summary>
    public static async Task<LocalCluster> UpAsync(string folder, LocalSettings settings, int silos, int gateways, CancellationToken cancellationToken)
    {
        RequireRedis();
        var cluster = LocalCluster.Create(folder, settings);
        try
        {
            await StartAsync(cluster, silos, gateways, cancellationToken);
            return cluster;
        }
        catch
        {
            await DownAsync(cluster, CancellationToken.None);
            throw;
        }
    }

    private static Task StartAsync(LocalCluster cluster, int silos, int gateways, CancellationToken cancellationToken)
    {
        cluster.StartRedis();
        for (var i = 0; i < silos; i++)
        {
            cluster.StartSilo(cluster.NextName(ProcessKind.Silo));
        }

        for (var i = 0; i < gateways; i++)
        {
            cluster.StartGateway(cluster.NextName(ProcessKind.Gateway));
        }

        return ClusterStatus.WaitAsync(cluster, silos, StartPatience, cancellationToken);
    }

    private static Command Add()
    {
        var folder = Folder();
        var command = new Command("add", "Starts one more silo.") { folder };
        command.SetAction(async (arguments, cancellationToken) =>
        {
            var cluster = LocalCluster.Open(arguments.GetValue(folder)!);
            var name = cluster.NextName(ProcessKind.Silo);
            cluster.StartSilo(name);
            await ClusterStatus.WaitAsync(cluster, cluster.Silos.Count(silo => silo.IsAlive), StartPatience, cancellationToken);
            Console.WriteLine($"{name} serves.");
            return 0;
        });
        return command;
    }

    private static Command Status()
    {
        var folder = Folder();
        var command = new Command("status", "Shows the processes, and who owns what.") { folder };
        command.SetAction(async (arguments, cancellationToken) =>
            await ClusterStatus.PrintAsync(LocalCluster.Open(arguments.GetValue(folder)!), Console.Out, cancellationToken) ? 0 : 1);
        return command;
    }

    private static Command Down()
    {
        var folder = Folder();
        var command = new Command("down", "Ends all processes; sessions stay in the folder and are there again after 'up'.") { folder };
        command.SetAction(async (arguments, cancellationToken) =>
        {
            await DownAsync(LocalCluster.Open(arguments.GetValue(folder)!), cancellationToken);
            return 0;
        });
        return command;
    }

    /// <summary>Gateways first, Redis last, each in good order if it ends within its time.</summary>
    public static async Task DownAsync(LocalCluster cluster, CancellationToken cancellationToken)
    {
        foreach (var kind in new[] { ProcessKind.Gateway, ProcessKind.Silo, ProcessKind.Redis })
        {
            var ending = cluster.Processes.Where(process => process.Kind == kind).ToArray();
            foreach (var process in ending)
            {
                process.Signal(Signal.Continue);
                process.Signal(Signal.Terminate);
            }

            foreach (var process in ending)
            {
                if (!await process.EndedAsync(StopPatience, cancellationToken))
                {
                    process.Signal(Signal.Kill);
                }
            }
        }

        cluster.Forget();
    }

    private static Command OfOne(string name, string description, Func<LocalCluster, LocalProcess, CancellationToken, Task> act)
    {
        var which = new Argument<string>("name") { Description = "As 'status' calls it, such as silo-2, gateway-1 or redis." };
        var folder = Folder();
        var command = new Command(name, description) { which, folder };
        command.SetAction(async (arguments, cancellationToken) =>
        {
            var cluster = LocalCluster.Open(arguments.GetValue(folder)!);
            await act(cluster, cluster.Find(arguments.GetValue(which)!), cancellationToken);
            return 0;
        });
        return command;
    }

    private static Task Told(LocalProcess process, Signal signal)
    {
        process.Signal(signal);
        return Task.CompletedTask;
    }

    private static async Task DrainAsync(LocalCluster cluster, LocalProcess process, CancellationToken cancellationToken)
    {
        if (process.Kind != ProcessKind.Silo)
        {
            throw new CommandFailedException($"{process.Name} is no silo: only silos are drained.", exitCode: 2);
        }

        using var client = new ServerClient(cluster.Gateway);
        await client.DrainAsync(process.Name, cancellationToken);
        if (!await process.EndedAsync(StopPatience, cancellationToken))
        {
            throw new CommandFailedException($"{process.Name} was told to drain and has not ended within {StopPatience.TotalSeconds:0} s. See {Path.Combine(cluster.Folder, process.Name)}.log.");
        }
    }

    private static Task StartAsync(LocalCluster cluster, LocalProcess process, CancellationToken cancellationToken)
    {
        if (process.IsAlive)
        {
            throw new CommandFailedException($"{process.Name} runs already.", exitCode: 2);
        }

        Action start = process.Kind switch
        {
            ProcessKind.Redis => cluster.StartRedis,
            ProcessKind.Silo => () => cluster.StartSilo(process.Name),
            _ => () => cluster.StartGateway(process.Name),
        };
        start();
        return Task.CompletedTask;
    }

    private static void RequireRedis()
    {
        var path = Environment.GetEnvironmentVariable("PATH")?.Split(Path.PathSeparator) ?? [];
        if (!path.Any(folder => File.Exists(Path.Combine(folder, "redis-server"))))
        {
            throw new CommandFailedException("redis-server is not on the path. On Debian and Ubuntu: apt-get install -y redis-server.");
        }
    }
}
