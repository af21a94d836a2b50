using System.Diagnostics;
using System.Text;

namespace Loire.Gpu.Tests.Running;

/// <summary>One class of tests in a process of its own: a sticky error or a kernel that never ends takes no other class with it.</summary>
internal sealed class ClassProcess(string className, Arguments arguments)
{
    private readonly List<TestLine> _lines = [];
    private readonly StringBuilder _other = new();
    private readonly Lock _gate = new();
    private string _running = "its start";
    private long _lastWord = Stopwatch.GetTimestamp();

    public string Name { get; } = className;

    public double Seconds { get; private set; }

    /// <summary>Finished tests, and a failure for whatever ended without one.</summary>
    public IReadOnlyList<TestLine> Lines => _lines;

    public int Count(TestOutcome outcome) => _lines.Count(line => line.Outcome == outcome);

    public async Task RunAsync()
    {
        var start = Stopwatch.GetTimestamp();
        using var process = new Process { StartInfo = StartInfo() };
        process.OutputDataReceived += (_, line) => Take(line.Data);
        process.ErrorDataReceived += (_, line) => Take(line.Data);
        process.Start();
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        using var ended = new CancellationTokenSource();
        var watch = WatchAsync(process, ended.Token);
        await process.WaitForExitAsync(CancellationToken.None);
        await ended.CancelAsync();
        var hung = await watch;
        Seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        lock (_gate)
        {
            if (hung)
            {
                _lines.Add(new TestLine(TestOutcome.Failed, _running, arguments.Patience.TotalSeconds, $"Nothing was heard for {arguments.Patience.TotalSeconds:0} s: stopped.{Environment.NewLine}{_other}"));
            }
            else if (process.ExitCode != 0 && Count(TestOutcome.Failed) == 0)
            {
                _lines.Add(new TestLine(TestOutcome.Failed, _running, 0, $"The process ended with code {process.ExitCode}.{Environment.NewLine}{_other}"));
            }
        }
    }

    private ProcessStartInfo StartInfo()
    {
        string[] own = [Environment.ProcessPath!, typeof(ClassProcess).Assembly.Location, "--class", Name];
        string[] words = arguments.Sanitizer is { } tool ? ["compute-sanitizer", "--tool", tool, "--report-api-errors", "no", "--error-exitcode", "86", "--print-limit", "20", .. own] : own;
        return new ProcessStartInfo(words[0], words[1..]) { RedirectStandardOutput = true, RedirectStandardError = true };
    }

    private void Take(string? line)
    {
        if (line is null)
        {
            return;
        }

        lock (_gate)
        {
            _lastWord = Stopwatch.GetTimestamp();
            switch (TestLine.Read(line))
            {
                case null when _other.Length < 40_000:
                    _other.AppendLine(line);
                    break;
                case null:
                    break;
                case { Outcome: TestOutcome.Started } started:
                    _running = started.Test;
                    break;
                case { } finished:
                    _lines.Add(finished);
                    break;
            }
        }
    }

    /// <returns>True: it had to be stopped.</returns>
    private async Task<bool> WatchAsync(Process process, CancellationToken ended)
    {
        using var timer = new PeriodicTimer(TimeSpan.FromSeconds(1));
        try
        {
            while (await timer.WaitForNextTickAsync(ended))
            {
                if (Stopwatch.GetElapsedTime(Interlocked.Read(ref _lastWord)) > arguments.Patience)
                {
                    process.Kill(entireProcessTree: true);
                    return true;
                }
            }
        }
        catch (OperationCanceledException)
        {
            // It ended by itself.
        }

        return false;
    }
}
