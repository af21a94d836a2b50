using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Text.Json.Serialization;

namespace Loire.Cli.Cluster;

internal enum ProcessKind
{
    Redis,
    Silo,
    Gateway,
}

/// <summary>One process of a local cluster, which lives on when the command that started it has ended.</summary>
internal sealed partial record LocalProcess
{
    public required string Name { get; init; }
    public required ProcessKind Kind { get; init; }
    public required int Port { get; init; }
    public int Pid { get; init; }

    /// <summary>When the system started the process, in its own ticks: a number that was given to another process since is not ours.</summary>
    public string? StartedAt { get; init; }

    [JsonIgnore]
    public bool IsAlive => Pid > 0 && StartedAt is not null && StartOf(Pid) == StartedAt;

    /// <summary>Starts the program, detached: no terminal, its own session, output to a file.</summary>
    /// <param name="program">Found on the path.</param>
    /// <param name="arguments">Its arguments.</param>
    /// <param name="folder">Working directory; the log is here.</param>
    /// <param name="environment">What to add to this process's own.</param>
    public LocalProcess Start(string program, IEnumerable<string> arguments, string folder, IReadOnlyDictionary<string, string> environment)
    {
        // The shell becomes setsid, which becomes the program: the number stays the same.
        string[] all = ["-c", "exec setsid \"$0\" \"$@\" >>\"$LOIRE_LOG\" 2>&1 </dev/null", program, .. arguments];
        var start = new ProcessStartInfo("/bin/sh", all) { WorkingDirectory = folder };
        start.Environment["LOIRE_LOG"] = Path.Combine(folder, $"{Name}.log");
        foreach (var (name, value) in environment)
        {
            start.Environment[name] = value;
        }

        using var process = Process.Start(start)!; // throws when it cannot
        return this with { Pid = process.Id, StartedAt = StartOf(process.Id) };
    }

    public void Signal(Signal signal)
    {
        if (IsAlive)
        {
            _ = Kill(Pid, (int)signal);
        }
    }

    /// <summary>Waits until the process has ended.</summary>
    public async Task<bool> EndedAsync(TimeSpan patience, CancellationToken cancellationToken)
    {
        for (var waited = Stopwatch.StartNew(); IsAlive; await Task.Delay(20, cancellationToken))
        {
            if (waited.Elapsed > patience)
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>Null when there is none, or when it is dead and nobody has asked for its exit code.</summary>
    private static string? StartOf(int pid)
    {
        try
        {
            var stat = File.ReadAllText($"/proc/{pid}/stat");
            var fields = stat[(stat.LastIndexOf(')') + 2)..].Split(' ');
            return fields[0] == "Z" ? null : fields[19];
        }
        catch (IOException)
        {
            return null;
        }
    }

    [LibraryImport("libc", EntryPoint = "kill")]
    private static partial int Kill(int pid, int signal);
}

internal enum Signal
{
    Kill = 9,
    Terminate = 15,
    Continue = 18,
    Stop = 19,
}
