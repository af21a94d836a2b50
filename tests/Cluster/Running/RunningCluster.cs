using System.Net;
using System.Net.Sockets;
using System.Text;
using Loire.Cli.Cluster;
using Loire.Cli.Http;
using Loire.Cli.Terminal;

namespace Loire.Cluster.Tests.Running;

/// <summary>Redis, silos and two gateways in processes of their own, in a folder that goes with them.</summary>
internal sealed class RunningCluster : IAsyncDisposable
{
    private static readonly TimeSpan Deadline = TimeSpan.FromMinutes(2);

    private readonly DirectoryInfo _folder;
    private readonly ServerClient[] _gateways;

    private RunningCluster(DirectoryInfo folder, LocalCluster processes)
    {
        _folder = folder;
        Processes = processes;
        _gateways = [.. processes.Gateways.Select(gateway => new ServerClient(new Uri($"http://localhost:{gateway.Port}")))];
    }

    public LocalCluster Processes { get; }

    public ServerClient First => _gateways[0];

    public ServerClient Second => _gateways[1];

    public static async Task<RunningCluster> StartAsync(int silos, bool fast = false)
    {
        var folder = Directory.CreateTempSubdirectory("loire-cluster-");
        var port = FreePorts(40);
        var settings = new LocalSettings
        {
            Port = port, SiloPort = port + 10, OpsPort = port + 20, RedisPort = port + 30, Model = Places.DemoModel!, Threads = 1, Fast = fast, // the repository has the model
        };
        try
        {
            using var timeout = new CancellationTokenSource(Deadline);
            return new RunningCluster(folder, await ClusterCommand.UpAsync(folder.FullName, settings, silos, gateways: 2, timeout.Token));
        }
        catch
        {
            if (LocalCluster.Exists(folder.FullName))
            {
                await ClusterCommand.DownAsync(LocalCluster.Open(folder.FullName), CancellationToken.None);
            }

            throw;
        }
    }

    /// <summary>A free port with as many free ones after it, from a part of the range that the system gives to nobody by itself.</summary>
    public static int FreePorts(int count)
    {
        var random = new Random(Environment.ProcessId);
        while (true)
        {
            var first = random.Next(15_000, 30_000);
            if (Enumerable.Range(first, count).All(IsFree))
            {
                return first;
            }
        }
    }

    /// <summary>Name of the silo that runs a turn now.</summary>
    public async Task<string> BusySiloAsync()
    {
        using var timeout = new CancellationTokenSource(Deadline);
        while (true)
        {
            var view = await Second.ClusterAsync(timeout.Token);
            foreach (var silo in view.GetProperty("silos").EnumerateArray())
            {
                if (silo.GetProperty("running_turns").GetInt32() > 0)
                {
                    return silo.GetProperty("name").GetString()!;
                }
            }
        }
    }

    /// <summary>Returns when so many silos serve, as both gateways see it.</summary>
    public Task WaitForAsync(int silos) => ClusterStatus.WaitAsync(Processes, silos, Deadline, CancellationToken.None);

    /// <summary>One turn: its text, and what to do once so much of it is there.</summary>
    public async Task<string> SayAsync(string session, string text, int maxTokens, bool isLong = false, int after = int.MaxValue, Func<Task>? then = null)
    {
        using var timeout = new CancellationTokenSource(Deadline);
        var request = Request(session, text, maxTokens, isLong);
        var answer = new StringBuilder();
        var acting = Task.CompletedTask;
        await foreach (var piece in First.StreamAsync(request, timeout.Token))
        {
            answer.Append(piece.Text);
            if (answer.Length > after && then is { } act)
            {
                then = null;
                acting = act();
            }
        }

        await acting;
        return answer.ToString();
    }

    public static ChatRequest Request(string session, string text, int maxTokens, bool isLong = false) => new()
    {
        SessionId = session, Messages = [Message.User(text)], MaxTokens = maxTokens, IgnoreEnd = isLong, Stream = true,
    };

    /// <summary>A turn's whole text, from one of the gateways.</summary>
    public static async Task<string> ReadAsync(ServerClient gateway, ChatRequest request)
    {
        using var timeout = new CancellationTokenSource(Deadline);
        var answer = new StringBuilder();
        await foreach (var piece in gateway.StreamAsync(request, timeout.Token))
        {
            answer.Append(piece.Text);
        }

        return answer.ToString();
    }

    public async ValueTask DisposeAsync()
    {
        Array.ForEach(_gateways, gateway => gateway.Dispose());
        await ClusterCommand.DownAsync(Processes, CancellationToken.None);
        _folder.Delete(recursive: true);
    }

    private static bool IsFree(int port)
    {
        try
        {
            using var probe = new TcpListener(IPAddress.Loopback, port);
            probe.Start();
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }
}
