using System.Diagnostics;
using Orleans.Runtime;
using Xunit.Abstractions;

namespace Loire.Actors.Redis.Tests;

/// <summary>Redis' primary dies and its replica takes over.</summary>
public sealed class FailoverTests : IDisposable
{
    private readonly RedisProcess _primary = new();
    private readonly RedisProcess _replica;

    private readonly ITestOutputHelper _output;

    public FailoverTests(ITestOutputHelper output)
    {
        _output = output;
        _replica = new(["--replicaof", "127.0.0.1", $"{_primary.Port}", "--repl-diskless-sync-delay", "0"]);
    }

    [RedisFact]
    public async Task Silos_go_on_with_the_replica_that_has_become_the_primary()
    {
        using var replica = await _replica.ConnectAsync();
        using var primary = await _primary.ConnectAsync();
        var both = $"{_primary.Address},{_replica.Address}";
        // A lease that is long enough for a machine on which others build.
        void Leases(RedisLeaseOptions options) => (options.Lease, options.CommandTimeout) = (TimeSpan.FromSeconds(20), TimeSpan.FromSeconds(10));
        await using var first = await TestMember.JoinAsync(both, "c", Leases);
        await using var second = await TestMember.JoinAsync(both, "c", Leases);
        await first.SeesAsync(second.Address, SiloStatus.Active);
        await first.Directory.Register(Grains.Address(first.Address, "g"));
        await WhenCopiedAsync(primary.GetDatabase());

        _primary.Kill();
        var waiting = second.Directory.Lookup(Grains.Id("g"));
        await replica.GetDatabase().ExecuteAsync("REPLICAOF", "NO", "ONE");
        var clock = Stopwatch.StartNew();

        Assert.Equal(first.Address, (await waiting)?.SiloAddress);
        Assert.Equal(second.Address, (await second.Directory.Register(Grains.Address(second.Address, "h")))?.SiloAddress);
        _output.WriteLine($"an entry is read and one is written {clock.ElapsedMilliseconds} ms after the replica took over");
        await using var third = await TestMember.JoinAsync(both, "c", Leases);
        await Task.WhenAll(first.SeesAsync(third.Address, SiloStatus.Active), second.SeesAsync(third.Address, SiloStatus.Active));
        Assert.True(first.Lease.IsHeld && second.Lease.IsHeld, $"{first.Log}\n{second.Log}");
    }

    public void Dispose()
    {
        _replica.Dispose();
        _primary.Dispose();
    }

    private static async Task WhenCopiedAsync(StackExchange.Redis.IDatabase primary)
    {
        using var timeout = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        while ((int)await primary.ExecuteAsync("WAIT", 1, 500) < 1)
        {
            timeout.Token.ThrowIfCancellationRequested();
        }
    }
}
