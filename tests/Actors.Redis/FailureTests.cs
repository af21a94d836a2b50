using System.Diagnostics;
using Orleans.Runtime;
using Xunit.Abstractions;

namespace Loire.Actors.Redis.Tests;

/// <summary>Processes that are killed and frozen.</summary>
[Collection(SharedRedis.Name)]
public sealed class FailureTests(RedisProcess redis, ITestOutputHelper output)
{
    private readonly string _cluster = $"f-{Guid.NewGuid():N}";

    [RedisTheory]
    [InlineData("default", 5_000)]
    [InlineData("fast", 1_200)]
    public async Task A_killed_silo_is_dead_to_all_within_the_promised_time(string profile, int mostMilliseconds)
    {
        await using var first = await TestMember.JoinAsync(redis.Address, _cluster, Leases(profile));
        await using var second = await TestMember.JoinAsync(redis.Address, _cluster, Leases(profile));
        await using var client = await TestMember.ConnectClientAsync(redis.Address, _cluster, Leases(profile));
        for (var round = 0; round < 3; round++)
        {
            using var victim = await MemberProcess.StartAsync(redis.Address, _cluster, profile);
            TestMember[] witnesses = [first, second, client];
            await Task.WhenAll(witnesses.Select(witness => witness.SeesAsync(victim.Address, SiloStatus.Active)));
            victim.Say("register g");
            Assert.Equal($"winner {victim.Address}", await victim.ReadAsync());

            var clock = Stopwatch.StartNew();
            victim.Kill();
            await Task.WhenAll(witnesses.Select(witness => witness.SeesAsync(victim.Address, SiloStatus.Dead)));
            var elapsed = clock.ElapsedMilliseconds;
            output.WriteLine($"{profile}: dead to all {elapsed} ms after kill -9");
            var winner = await first.Directory.Register(Grains.Address(first.Address, "g"));

            Assert.InRange(elapsed, 0, mostMilliseconds);
            Assert.Equal(first.Address, winner?.SiloAddress);
            await first.Directory.Unregister(winner!);
        }

        Assert.True(first.Lease.IsHeld && second.Lease.IsHeld, first.Log.ToString());
    }

    [RedisTheory]
    [InlineData("default")]
    [InlineData("fast")]
    public async Task A_frozen_silo_knows_that_it_is_no_member_before_it_does_anything(string profile)
    {
        await using var witness = await TestMember.JoinAsync(redis.Address, _cluster, Leases(profile));
        using var frozen = await MemberProcess.StartAsync(redis.Address, _cluster, profile);
        await witness.SeesAsync(frozen.Address, SiloStatus.Active);
        frozen.Say("register g");
        Assert.Equal($"winner {frozen.Address}", await frozen.ReadAsync());

        frozen.Freeze();
        await witness.SeesAsync(frozen.Address, SiloStatus.Dead);
        Assert.Equal(witness.Address, (await witness.Directory.Register(Grains.Address(witness.Address, "g")))?.SiloAddress);
        frozen.Say("held");
        frozen.Say("register g");
        frozen.Say("lost");
        frozen.Thaw();

        Assert.Equal("held False", await frozen.ReadAsync());
        Assert.StartsWith("stale ", await frozen.ReadAsync(), StringComparison.Ordinal);
        Assert.StartsWith("lost ", await frozen.ReadAsync(), StringComparison.Ordinal);
        Assert.Equal(witness.Address, (await witness.Directory.Lookup(Grains.Id("g")))?.SiloAddress);
    }

    private static Action<RedisLeaseOptions>? Leases(string profile) => profile == "fast" ? TestMember.Fast : null;
}
