using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Loire.Store.Tests;

/// <summary>A redis-server of the test's own: on a free port, in a temporary folder, gone with the test.</summary>
public sealed class RedisProcess : IAsyncDisposable
{
    public const string HowToInstall = "redis-server is not on the PATH: apt-get install -y redis-server.";

    private static readonly TimeSpan StartTimeout = TimeSpan.FromSeconds(20);

    private readonly TempDirectory _folder = new();
    private readonly string[] _settings;
    private Process? _process;

    private RedisProcess(string[] settings) => _settings = settings;

    public static string? Binary { get; } = (Environment.GetEnvironmentVariable("PATH") ?? "")
        .Split(Path.PathSeparator).Select(folder => Path.Combine(folder, "redis-server")).FirstOrDefault(File.Exists);

    public int Port { get; } = FreePort();

    public string Address => $"127.0.0.1:{Port}";

    /// <param name="settings">As on the command line, such as <c>--appendonly yes</c>.</param>
    public static async Task<RedisProcess> StartAsync(params string[] settings)
    {
        var redis = new RedisProcess(settings);
        await redis.StartAgainAsync();
        return redis;
    }

    /// <summary>On the same port and folder; returns when it answers.</summary>
    public async Task StartAgainAsync()
    {
        Launch();
        var start = Stopwatch.GetTimestamp();
        var last = "";
        while (Stopwatch.GetElapsedTime(start) < StartTimeout)
        {
            last = await TryAskAsync("PING");
            if (last.StartsWith("+PONG", StringComparison.Ordinal))
            {
                return;
            }

            if (_process is null or { HasExited: true })
            {
                break;
            }

            await Task.Delay(2);
        }

        var isRunning = _process is { HasExited: false };
        await KillAsync();
        Assert.Fail($"redis-server on port {Port} did not answer after {Stopwatch.GetElapsedTime(start)} (running: {isRunning}); last seen '{last}'.");
    }

    /// <summary>Starts the process without waiting for it to answer.</summary>
    public void Launch()
    {
        var start = new ProcessStartInfo(Binary ?? throw new InvalidOperationException(HowToInstall)) { RedirectStandardOutput = true };
        foreach (var argument in (string[])["--port", Port.ToString(CultureInfo.InvariantCulture), "--bind", "127.0.0.1", "--dir", _folder.Path, "--save", "", "--loglevel", "warning", .. _settings.SelectMany(setting => setting.Split(' '))])
        {
            start.ArgumentList.Add(argument);
        }

        _process = Process.Start(start) ?? throw new InvalidOperationException("redis-server did not start.");
        _process.BeginOutputReadLine();
    }

    /// <summary>As by <c>kill -9</c>.</summary>
    public async Task KillAsync()
    {
        if (_process is { } process)
        {
            process.Kill();
            await process.WaitForExitAsync();
            process.Dispose();
            _process = null;
        }
    }

    /// <summary>Freezes it (STOP) or thaws it (CONT).</summary>
    public async Task SignalAsync(string signal)
    {
        using var kill = Process.Start("kill", [$"-{signal}", (_process?.Id ?? throw new InvalidOperationException("It does not run.")).ToString(CultureInfo.InvariantCulture)]);
        await kill.WaitForExitAsync();
        Assert.Equal(0, kill.ExitCode);
    }

    public async ValueTask DisposeAsync()
    {
        await KillAsync();
        _folder.Dispose();
    }

    /// <summary>Asks over a connection of its own, and tells what it saw.</summary>
    public async Task<string> TryAskAsync(string command)
    {
        try
        {
            using var client = new TcpClient();
            await client.ConnectAsync(IPAddress.Loopback, Port);
            await client.GetStream().WriteAsync(Encoding.ASCII.GetBytes(command + "\r\n"));
            var bytes = new byte[256];
            return Encoding.ASCII.GetString(bytes, 0, await client.GetStream().ReadAsync(bytes));
        }
        catch (Exception failure) when (failure is SocketException or IOException)
        {
            return failure.Message;
        }
    }

    private static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }
}
