using System.Diagnostics;
using Loire.Redis.Tests;
using Orleans.Runtime;
using Xunit.Abstractions;

namespace Loire.Actors.Redis.Tests;

/// <summary>Redis dies, starts again, hangs, and is full. Each test has a Redis of its own.</summary>
public sealed class OutageTests(ITestOutputHelper output) : IDisposable
{
    private readonly RedisProcess _redis = new();

    [RedisFact]
    public async Task A_short_death_of_Redis_changes_nothing_for_silos_that_run()
    {
        await using var first = await TestMember.JoinAsync(_redis.Address, "c");
        await using var second = await TestMember.JoinAsync(_redis.Address, "c");
        await first.SeesAsync(second.Address, SiloStatus.Active);
        await first.Directory.Register(Grains.Address(first.Address, "g"));
        for (var round = 0; round < 4; round++)
        {
            _redis.Kill();
            var down = first.Directory.Lookup(Grains.Id("g"));
            _redis.Start();
            var clock = Stopwatch.StartNew();
            await _redis.FirstAnswerAsync();
            var up = clock.Elapsed;
            Assert.Equal(first.Address, (await down)?.SiloAddress); // it waited for the new connection
            var version = first.Membership.CurrentSnapshot.Version;
            await using (var third = await TestMember.JoinAsync(_redis.Address, "c"))
            {
                await Task.WhenAll(first.SeesAsync(third.Address, SiloStatus.Active), second.SeesAsync(third.Address, SiloStatus.Active));
                await third.LeaveAsync();
            }

            output.WriteLine($"Redis itself answers {up.TotalMilliseconds:0} ms after its start, the silo's first command by {clock.ElapsedMilliseconds} ms at most");
            Assert.True(first.Membership.CurrentSnapshot.Version > version);
            Assert.True(first.Lease.IsHeld && second.Lease.IsHeld, $"{first.Log}\n{second.Log}");
        }

        Assert.Equal(SiloStatus.Active, first.Membership.CurrentSnapshot.GetSiloStatus(second.Address));
    }

    [RedisFact]
    public async Task Commands_are_answered_again_soon_after_a_restart()
    {
        await using var silo = await TestMember.JoinAsync(_redis.Address, "c", leases => leases.CommandTimeout = TimeSpan.FromSeconds(10));
        List<double> delays = [];
        for (var round = 0; round < 5; round++)
        {
            _redis.Kill();
            var waiting = silo.Directory.Lookup(Grains.Id("g"));
            _redis.Start();
            await _redis.FirstAnswerAsync();
            await using var clock = new Metronome();
            await waiting;
            delays.Add(clock.Given.TotalMilliseconds);
        }

        output.WriteLine($"first command after Redis answers: {string.Join(", ", delays.Select(delay => $"{delay:0}"))} ms");
        Assert.InRange(delays.Order().ElementAt(2), 0, 300);
    }

    [RedisFact]
    public async Task A_short_freeze_of_Redis_changes_nothing_for_silos_that_run()
    {
        await using var first = await TestMember.JoinAsync(_redis.Address, "c");
        await using var second = await TestMember.JoinAsync(_redis.Address, "c");
        await first.SeesAsync(second.Address, SiloStatus.Active);

        _redis.Freeze();
        await Assert.ThrowsAsync<RedisUnavailableException>(() => first.Directory.Lookup(Grains.Id("g"))); // takes the command time-out, 1 s
        _redis.Thaw();

        await Task.WhenAll(first.Membership.Refresh().AsTask(), second.Membership.Refresh().AsTask());
        Assert.True(first.Lease.IsHeld && second.Lease.IsHeld, $"{first.Log}\n{second.Log}");
        Assert.Equal(SiloStatus.Active, first.Membership.CurrentSnapshot.GetSiloStatus(second.Address));
    }

    [RedisFact]
    public async Task A_long_freeze_of_Redis_ends_every_silo_before_its_lease_and_new_ones_can_join()
    {
        await using var first = await TestMember.JoinAsync(_redis.Address, "c");
        await using var second = await TestMember.JoinAsync(_redis.Address, "c");
        await first.Directory.Register(Grains.Address(first.Address, "g"));

        await using var clock = new Metronome();
        _redis.Freeze();
        await Task.WhenAll(WhenLost.Of(first), WhenLost.Of(second));
        output.WriteLine($"both silos knew after Redis froze: {clock}; the lease is 3,500 ms");
        Assert.InRange(clock.Given.TotalMilliseconds, 0, 3_500);
        await Assert.ThrowsAsync<StaleMemberException>(() => first.Directory.Register(Grains.Address(first.Address, "other")));
        _redis.Thaw();

        await using var next = await TestMember.JoinAsync(_redis.Address, "c", TestMember.Patient);
        await Task.WhenAll(next.SeesAsync(first.Address, SiloStatus.Dead), next.SeesAsync(second.Address, SiloStatus.Dead));
        Assert.Equal(next.Address, (await next.Directory.Register(Grains.Address(next.Address, "g")))?.SiloAddress);
    }

    [RedisFact]
    public async Task Nobody_is_declared_dead_within_a_lease_of_a_restart_however_long_Redis_was_gone()
    {
        await using var dies = await TestMember.JoinAsync(_redis.Address, "c", TestMember.Fast);
        _redis.Kill();
        await WhenLost.Of(dies);
        await dies.VanishAsync(); // it is over the end of its lease by now, or will be when Redis is back

        _redis.Start();
        await _redis.FirstAnswerAsync();
        await using var clock = new Metronome();
        await using var witness = await TestMember.ConnectClientAsync(_redis.Address, "c", TestMember.Fast);
        await witness.SeesAsync(dies.Address, SiloStatus.Dead);

        output.WriteLine($"declared dead after the restart: {clock}; the lease is 700 ms");
        Assert.InRange(clock.Elapsed.TotalMilliseconds, 690, 60_000);
        Assert.InRange(clock.Given.TotalMilliseconds, 0, 3_000);
    }

    [RedisFact]
    public async Task When_Redis_is_gone_an_operation_fails_in_time_and_says_what_and_where()
    {
        await using var silo = await TestMember.JoinAsync(_redis.Address, "c");
        _redis.Kill();
        await using var clock = new Metronome();

        var failure = await Assert.ThrowsAsync<RedisUnavailableException>(() => silo.Directory.Lookup(Grains.Id("g")));

        Assert.InRange(clock.Given.TotalMilliseconds, 0, 1_500);
        Assert.Contains("Looking up test/g", failure.Message, StringComparison.Ordinal);
        Assert.Contains(_redis.Address, failure.Message, StringComparison.Ordinal);
    }

    [RedisFact]
    public async Task A_full_Redis_lets_nothing_new_in_and_nobody_loses_a_lease_by_it()
    {
        await using var first = await TestMember.JoinAsync(_redis.Address, "c", TestMember.Patient);
        await using var second = await TestMember.JoinAsync(_redis.Address, "c", TestMember.Fast);
        await first.Directory.Register(Grains.Address(first.Address, "g"));
        using var connection = await _redis.ConnectAsync();
        await connection.GetDatabase().ExecuteAsync("CONFIG", "SET", "maxmemory", "1");

        var refusal = await Assert.ThrowsAsync<RedisUnavailableException>(() => first.Directory.Register(Grains.Address(first.Address, "new")));
        Assert.Contains("OOM", refusal.Message, StringComparison.Ordinal);
        Assert.NotNull(await second.Directory.Lookup(Grains.Id("g")));
        await second.VanishAsync();
        await first.SeesAsync(second.Address, SiloStatus.Dead);
        Assert.True(first.Lease.IsHeld, first.Log.ToString());

        await connection.GetDatabase().ExecuteAsync("CONFIG", "SET", "maxmemory", "0");
        Assert.NotNull(await first.Directory.Register(Grains.Address(first.Address, "new")));
    }

    [RedisFact]
    public async Task When_Redis_has_lost_its_data_silos_stop_and_clients_see_those_that_join_anew()
    {
        await using var first = await TestMember.JoinAsync(_redis.Address, "c", TestMember.Patient);
        await using var client = await TestMember.ConnectClientAsync(_redis.Address, "c", TestMember.Fast);
        using var connection = await _redis.ConnectAsync();
        await connection.GetDatabase().ExecuteAsync("FLUSHALL");

        await WhenLost.Of(first);
        Assert.Contains("no row", first.Lease.LostReason, StringComparison.Ordinal);
        await using var next = await TestMember.JoinAsync(_redis.Address, "c", TestMember.Patient);

        await client.SeesAsync(next.Address, SiloStatus.Active);
        Assert.True(next.Lease.Epoch > first.Lease.Epoch, "Epochs grow also over a loss of data.");
    }

    [RedisFact]
    public async Task Pool_threads_that_block_do_not_cost_the_lease()
    {
        await using var silo = await TestMember.JoinAsync(_redis.Address, "c");
        using var release = new ManualResetEventSlim();
        var blocked = Enumerable.Range(0, 16).Select(_ => Task.Run(release.Wait)).ToArray();
        await using var other = await TestMember.JoinAsync(_redis.Address, "c");
        await other.VanishAsync();

        await silo.SeesAsync(other.Address, SiloStatus.Dead); // a lease's time has passed
        release.Set();
        await Task.WhenAll(blocked);

        Assert.True(silo.Lease.IsHeld, silo.Log.ToString());
    }

    public void Dispose() => _redis.Dispose();
}
