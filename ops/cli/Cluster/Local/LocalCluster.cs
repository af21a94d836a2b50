using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Json.Serialization;
using Loire.Cli.Terminal;

namespace Loire.Cli.Cluster;

/// <summary>A cluster of processes on this machine: what was started, remembered in a folder, so that later commands find it.</summary>
internal sealed class LocalCluster
{
    private const string FileName = "cluster.json";
    private const string Name = "local";

    private static readonly TimeSpan ReleasePatience = TimeSpan.FromSeconds(10);
    private static readonly JsonSerializerOptions Format = new() { WriteIndented = true, Converters = { new JsonStringEnumConverter() } };

    private readonly string _folder;
    private LocalState _state;

    private LocalCluster(string folder, LocalState state) => (_folder, _state) = (folder, state);

    public IReadOnlyList<LocalProcess> Processes => _state.Processes;

    public IEnumerable<LocalProcess> Silos => Processes.Where(process => process.Kind == ProcessKind.Silo);

    public IEnumerable<LocalProcess> Gateways => Processes.Where(process => process.Kind == ProcessKind.Gateway);

    public LocalProcess Redis => Processes.Single(process => process.Kind == ProcessKind.Redis);

    public Uri Gateway => new($"http://localhost:{(Gateways.FirstOrDefault(gateway => gateway.IsAlive) ?? Gateways.First()).Port}");

    public string Folder => _folder;

    /// <summary>How its processes were told to find each other.</summary>
    public ClusterSettings Settings => new() { Redis = $"localhost:{_state.Settings.RedisPort}", Name = Name, Secret = _state.Secret, Fast = _state.Settings.Fast };

    /// <summary>A new cluster in an empty or forgotten folder; nothing runs yet.</summary>
    public static LocalCluster Create(string folder, LocalSettings settings)
    {
        if (Exists(folder) && Open(folder) is { } old && old.Processes.Any(process => process.IsAlive))
        {
            throw new CommandFailedException($"A cluster runs in {folder} already. Look with 'status', end it with 'down'.");
        }

        Directory.CreateDirectory(folder);
        var cluster = new LocalCluster(folder, new LocalState { Settings = settings, Secret = RandomNumberGenerator.GetHexString(32, lowercase: true) });
        cluster.Save();
        return cluster;
    }

    public static bool Exists(string folder) => File.Exists(Path.Combine(folder, FileName));

    /// <exception cref="CommandFailedException">There is none.</exception>
    public static LocalCluster Open(string folder)
    {
        var path = Path.Combine(folder, FileName);
        return File.Exists(path)
            ? new LocalCluster(folder, JsonSerializer.Deserialize<LocalState>(File.ReadAllText(path), Format)!)
            : throw new CommandFailedException($"No cluster was started in {folder}. Start one with 'ops/cluster up 3'.");
    }

    public LocalProcess Find(string name) => Processes.FirstOrDefault(process => process.Name == name)
        ?? throw new CommandFailedException($"There is no '{name}'. There are: {string.Join(", ", Processes.Select(process => process.Name))}.", exitCode: 2);

    public void StartRedis()
    {
        var data = Directory.CreateDirectory(Path.Combine(_folder, "redis")).FullName;
        var port = _state.Settings.RedisPort;
        var known = Processes.FirstOrDefault(process => process.Kind == ProcessKind.Redis);
        RequireFree(port, "--redis-port", known is not null);
        Keep((known ?? new LocalProcess { Name = "redis", Kind = ProcessKind.Redis, Port = port }).Start(
            "redis-server",
            ["--port", $"{port}", "--bind", "127.0.0.1", "--dir", data, "--appendonly", "yes", "--save", "", "--maxmemory-policy", "noeviction"],
            _folder, new Dictionary<string, string>()));
    }

    /// <summary>Starts a silo, or starts one again that has ended.</summary>
    public void StartSilo(string name)
    {
        var known = Processes.FirstOrDefault(process => process.Name == name);
        var process = known ?? new LocalProcess { Name = name, Kind = ProcessKind.Silo, Port = NextPort(ProcessKind.Silo, _state.Settings.SiloPort) };
        RequireFree(process.Port, "--silo-port", known is not null);
        Keep(Start(process, [
            "silo", "--name", name, "--port", $"{process.Port}", "--model", _state.Settings.Model,
            "--threads", $"{_state.Settings.Threads}", "--state-ttl", $"{_state.Settings.StateSeconds}", "--ops-port", $"{OpsPortOf(process)}", .. Common()]));
    }

    /// <summary>Where a silo answers <c>/health</c> and <c>/metrics</c>; 0 where it does not. A gateway does so on its own port.</summary>
    public int OpsPortOf(LocalProcess process) => process.Kind switch
    {
        ProcessKind.Silo => _state.Settings.OpsPort == 0 ? 0 : _state.Settings.OpsPort + process.Port - _state.Settings.SiloPort,
        ProcessKind.Gateway => process.Port,
        _ => 0,
    };

    public Uri MetricsOf(LocalProcess process) => new($"http://localhost:{OpsPortOf(process)}/metrics");

    public void StartGateway(string name)
    {
        var known = Processes.FirstOrDefault(process => process.Name == name);
        var process = known ?? new LocalProcess { Name = name, Kind = ProcessKind.Gateway, Port = NextPort(ProcessKind.Gateway, _state.Settings.Port) };
        RequireFree(process.Port, "--port", known is not null);
        Keep(Start(process, ["gateway", "--port", $"{process.Port}", .. Common()]));
    }

    /// <summary>The next unused name of a kind, such as <c>silo-4</c>.</summary>
    public string NextName(ProcessKind kind)
    {
        var prefix = kind == ProcessKind.Silo ? "silo-" : "gateway-";
        return $"{prefix}{Enumerable.Range(1, int.MaxValue).First(number => Processes.All(process => process.Name != $"{prefix}{number}"))}";
    }

    public void Forget()
    {
        _state = _state with { Processes = [] };
        Save();
    }

    private string[] Common() =>
        ["--redis", $"localhost:{_state.Settings.RedisPort}", "--cluster", Name, "--verbose", .. _state.Settings.Fast ? ["--fast"] : (string[])[]];

    private LocalProcess Start(LocalProcess process, string[] arguments) => process.Start(
        Environment.GetEnvironmentVariable("DOTNET_HOST_PATH") ?? "dotnet",
        [typeof(LocalCluster).Assembly.Location, .. arguments],
        _folder,
        new Dictionary<string, string> { [ClusterSettings.SecretVariable] = _state.Secret });

    private int NextPort(ProcessKind kind, int first) => Enumerable.Range(first, 1000).First(port => Processes.All(process => process.Kind != kind || process.Port != port));

    private void Keep(LocalProcess process)
    {
        _state = _state with { Processes = [.. Processes.Where(other => other.Name != process.Name), process] };
        Save();
    }

    private void Save()
    {
        var path = Path.Combine(_folder, FileName);
        if (!OperatingSystem.IsWindows() && !File.Exists(path))
        {
            File.Create(path).Dispose();
            File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite); // it has the secret
        }

        File.WriteAllText(path, JsonSerializer.Serialize(_state, Format));
    }

    /// <param name="port">To be taken.</param>
    /// <param name="option">What sets it.</param>
    /// <param name="isOurs">It was this cluster's before: the threads of a process that was killed may take a moment to let go of it.</param>
    private static void RequireFree(int port, string option, bool isOurs)
    {
        if (!IsFree(port) && !(isOurs && SpinWait.SpinUntil(() => IsFree(port), ReleasePatience)))
        {
            throw new CommandFailedException($"Port {port} is in use. Stop what listens there, or choose another by {option}.");
        }
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

/// <summary>How a local cluster was asked for.</summary>
internal sealed record LocalSettings
{
    /// <summary>Of the first gateway; the others follow.</summary>
    public required int Port { get; init; }

    /// <summary>Of the first silo; the others follow.</summary>
    public required int SiloPort { get; init; }

    /// <summary>Of <c>/health</c> and <c>/metrics</c> of the first silo; the others follow. 0: none.</summary>
    public int OpsPort { get; init; }

    public required int RedisPort { get; init; }
    public required string Model { get; init; }

    /// <summary>Threads that compute, in each silo.</summary>
    public required int Threads { get; init; }

    public bool Fast { get; init; }

    /// <summary>How long state stays in the store that no session reaches.</summary>
    public int StateSeconds { get; init; } = 24 * 3600;
}

internal sealed record LocalState
{
    public required LocalSettings Settings { get; init; }
    public required string Secret { get; init; }
    public IReadOnlyList<LocalProcess> Processes { get; init; } = [];
}
