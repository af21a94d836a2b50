using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Text.RegularExpressions;
using Loire.Cli.Terminal;

namespace Loire.Cli.Serve;

/// <summary>A server in a process of its own, as <c>ops/run</c> starts it: what can be killed and started again.</summary>
internal sealed partial class ServerProcess : IAsyncDisposable
{
    private const int Terminate = 15;
    private const int KeptLines = 50;

    // A load of the demo model takes a second; a machine that is busy with tests may need many.
    private static readonly TimeSpan StartTimeout = TimeSpan.FromMinutes(2);
    private static readonly TimeSpan StopTimeout = TimeSpan.FromMinutes(1);

    private readonly Process _process;
    private readonly Queue<string> _lines = new(KeptLines);
    private readonly TaskCompletionSource<Uri> _address = new(TaskCreationOptions.RunContinuationsAsynchronously);

    private ServerProcess(ProcessStartInfo start)
    {
        _process = new Process { StartInfo = start, EnableRaisingEvents = true };
        _process.OutputDataReceived += (_, line) => Read(line.Data);
        _process.ErrorDataReceived += (_, line) => Read(line.Data);
        _process.Exited += (_, _) => _address.TrySetException(new CommandFailedException($"The server ended before it was ready. It said:{Environment.NewLine}{Output}"));
    }

    public Uri Address => _address.Task.IsCompletedSuccessfully ? _address.Task.GetAwaiter().GetResult() : throw new InvalidOperationException("The server is not ready.");

    public int Id => _process.Id;

    /// <summary>The newest lines of both streams.</summary>
    public string Output
    {
        get
        {
            lock (_lines)
            {
                return string.Join(Environment.NewLine, _lines);
            }
        }
    }

    /// <summary>Most memory that the process has held so far, in bytes.</summary>
    public long PeakMemory
    {
        get
        {
            _process.Refresh();
            return _process.PeakWorkingSet64;
        }
    }

    /// <summary>Starts <c>serve</c> on a free port and waits until it answers.</summary>
    public static async Task<ServerProcess> StartAsync(string dataDirectory, string modelFolder, CancellationToken cancellationToken, params string[] more)
    {
        string[] arguments = [typeof(ServerProcess).Assembly.Location, "serve", "--port", "0", "--data", dataDirectory, "--model", modelFolder, .. more];
        var start = new ProcessStartInfo(Environment.GetEnvironmentVariable("DOTNET_HOST_PATH") ?? "dotnet", arguments)
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            UseShellExecute = false,
        };
        var server = new ServerProcess(start);
        try
        {
            server._process.Start();
            server._process.BeginOutputReadLine();
            server._process.BeginErrorReadLine();
            await server._address.Task.WaitAsync(StartTimeout, cancellationToken);
            return server;
        }
        catch (TimeoutException exception)
        {
            await server.DisposeAsync();
            throw new CommandFailedException($"The server was not ready within {StartTimeout.TotalSeconds:0} s. It said:{Environment.NewLine}{server.Output}", inner: exception);
        }
        catch
        {
            await server.DisposeAsync();
            throw;
        }
    }

    /// <summary>Asks it to end, as Ctrl-C does, and waits.</summary>
    /// <returns>Its exit code.</returns>
    public async Task<int> StopAsync(CancellationToken cancellationToken)
    {
        if (!_process.HasExited && SendSignal(_process.Id, Terminate) != 0)
        {
            throw new InvalidOperationException($"Process {_process.Id} cannot be signalled: error {Marshal.GetLastPInvokeError()}.");
        }

        await _process.WaitForExitAsync(cancellationToken).WaitAsync(StopTimeout, cancellationToken);
        return _process.ExitCode;
    }

    /// <summary>What <c>kill -9</c> does: nothing in the process runs any more.</summary>
    public async Task KillAsync()
    {
        _process.Kill();
        await _process.WaitForExitAsync();
    }

    public async ValueTask DisposeAsync()
    {
        if (!_process.HasExited)
        {
            await KillAsync();
        }

        _process.Dispose();
    }

    private void Read(string? line)
    {
        if (line is null)
        {
            return;
        }

        lock (_lines)
        {
            if (_lines.Count == KeptLines)
            {
                _lines.Dequeue();
            }

            _lines.Enqueue(line);
        }

        if (BannerLine().Match(line) is { Success: true } match)
        {
            _address.TrySetResult(new Uri(match.Groups["address"].Value));
        }
    }

    [GeneratedRegex(@"^\s*Loire\s+(?<address>http://\S+)$")]
    private static partial Regex BannerLine();

    [LibraryImport("libc", EntryPoint = "kill", SetLastError = true)]
    private static partial int SendSignal(int process, int signal);
}
