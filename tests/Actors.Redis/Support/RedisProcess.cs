using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using StackExchange.Redis;

namespace Loire.Actors.Redis.Tests;

/// <summary>A redis-server of the test's own, on a free port and in its own folder.</summary>
public sealed class RedisProcess : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("loire-redis-").FullName;
    private readonly string[] _more;
    private Process? _process;

    public RedisProcess()
        : this([])
    {
    }

    /// <param name="more">Further arguments.</param>
    internal RedisProcess(string[] more)
    {
        _more = more;
        Port = FreePort();
        Start();
    }

    public static string? Binary { get; } = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':')
        .Append("/usr/bin")
        .Select(folder => Path.Combine(folder, "redis-server"))
        .FirstOrDefault(File.Exists);

    public int Port { get; }

    public string Address => $"127.0.0.1:{Port}";

    public static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }

    public void Start()
    {
        if (Binary is null)
        {
            return; // the tests are skipped
        }

        string[] arguments = ["--port", $"{Port}", "--bind", "127.0.0.1", "--dir", _folder, "--save", "", "--appendonly", "yes", "--logfile", "log", .. _more];
        _process = Process.Start(Binary, arguments);
    }

    /// <summary>As kill -9 does it.</summary>
    public void Kill()
    {
        _process?.Kill();
        _process?.WaitForExit();
        _process?.Dispose();
        _process = null;
    }

    public void Freeze() => Signals.Send(_process!.Id, Signals.Stop);

    public void Thaw() => Signals.Send(_process!.Id, Signals.Continue);

    /// <summary>A connection of the test's own, to look behind the product's back.</summary>
    public async Task<ConnectionMultiplexer> ConnectAsync()
    {
        await FirstAnswerAsync(); // while it starts, the library may wait for its whole time
        var options = ConfigurationOptions.Parse(Address);
        options.AllowAdmin = true;
        options.SyncTimeout = 30_000;
        return await ConnectionMultiplexer.ConnectAsync(options);
    }

    /// <summary>Returns when Redis answers, seen by a socket of its own.</summary>
    public async Task FirstAnswerAsync()
    {
        using var timeout = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        var answer = new byte[5];
        while (true)
        {
            try
            {
                using var client = new TcpClient();
                await client.ConnectAsync("127.0.0.1", Port, timeout.Token);
                await client.GetStream().WriteAsync("PING\r\n"u8.ToArray(), timeout.Token);
                await client.GetStream().ReadExactlyAsync(answer, timeout.Token);
                if (answer.AsSpan().SequenceEqual("+PONG"u8))
                {
                    return;
                }
            }
            catch (Exception exception) when (exception is SocketException or IOException)
            {
                await Task.Yield();
            }
        }
    }

    public void Dispose()
    {
        Kill();
        Directory.Delete(_folder, recursive: true);
    }
}

/// <summary>One Redis for all tests that leave it running.</summary>
[CollectionDefinition(Name)]
public sealed class SharedRedis : ICollectionFixture<RedisProcess>
{
    public const string Name = "redis";
}

/// <summary>A test that needs redis-server.</summary>
public sealed class RedisFactAttribute : FactAttribute
{
    public RedisFactAttribute()
    {
        if (RedisProcess.Binary is null)
        {
            Skip = RedisTheoryAttribute.Missing;
        }
    }
}

/// <summary>Tests that need redis-server.</summary>
public sealed class RedisTheoryAttribute : TheoryAttribute
{
    public const string Missing = "redis-server is not installed: apt-get install -y redis-server";

    public RedisTheoryAttribute()
    {
        if (RedisProcess.Binary is null)
        {
            Skip = Missing;
        }
    }
}
