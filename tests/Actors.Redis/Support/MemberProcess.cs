using System.Diagnostics;
using Orleans.Runtime;

namespace Loire.Actors.Redis.Tests;

/// <summary>A member in a process of its own: <see cref="MemberProgram"/>.</summary>
internal sealed class MemberProcess : IDisposable
{
    private readonly Process _process;

    private MemberProcess(Process process, SiloAddress address)
    {
        _process = process;
        Address = address;
    }

    public SiloAddress Address { get; }

    public static async Task<MemberProcess> StartAsync(string redis, string cluster, string profile)
    {
        var address = TestMember.NewAddress();
        var start = new ProcessStartInfo(
            Environment.ProcessPath is { } path && Path.GetFileNameWithoutExtension(path) == "dotnet" ? path : "dotnet",
            [typeof(MemberProcess).Assembly.Location, "member", redis, cluster, $"{address.Endpoint.Port}", profile])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
        };
        var member = new MemberProcess(Process.Start(start) ?? throw new InvalidOperationException("dotnet did not start."), address);
        var joined = await member.ReadAsync();
        Assert.StartsWith("joined ", joined, StringComparison.Ordinal);
        return member;
    }

    /// <summary>Puts a question into its input, which it answers when it runs.</summary>
    public void Say(string line)
    {
        _process.StandardInput.WriteLine(line);
        _process.StandardInput.Flush();
    }

    public async Task<string> ReadAsync()
    {
        var line = await _process.StandardOutput.ReadLineAsync().WaitAsync(TimeSpan.FromSeconds(60));
        return line ?? throw new InvalidOperationException($"Process {_process.Id} of member {Address} ended instead of answering.");
    }

    public void Kill() => _process.Kill();

    public void Freeze() => Signals.Send(_process.Id, Signals.Stop);

    public void Thaw() => Signals.Send(_process.Id, Signals.Continue);

    public void Dispose()
    {
        _process.Kill();
        _process.WaitForExit();
        _process.Dispose();
    }
}
