using Loire.Redis.Tests;
using Orleans.Runtime;
using Xunit.Abstractions;

namespace Loire.Actors.Redis.Tests;

/// <summary>Processes that are killed and frozen.</summary>
[Collection(SharedRedis.Name)]
public sealed class FailureTests(RedisProcess redis, ITestOutputHelper output)
{
    private const int MostVictims = 8;

    private readonly string _cluster = $"f-{Guid.NewGuid():N}";

    [RedisTheory]
    [InlineData("default", 5_000)]
    [InlineData("fast", 1_200)]
    public async Task A_killed_silo_is_dead_to_all_within_the_promised_time(string profile, int mostMilliseconds)
    {
        await using var first = await TestMember.JoinAsync(redis.Address, _cluster, Witness(profile));
        await using var second = await TestMember.JoinAsync(redis.Address, _cluster, Witness(profile));
        await using var client = await TestMember.ConnectClientAsync(redis.Address, _cluster, Witness(profile));
        TestMember[] witnesses = [first, second, client];
        for (var round = 0; round < 3; round++)
        {
            using var victim = await StartVictimAsync(profile, witnesses);

            await using var clock = new Metronome();
            victim.Kill();
            await Task.WhenAll(witnesses.Select(witness => witness.SeesAsync(victim.Address, SiloStatus.Dead)));
            var elapsed = clock.Given.TotalMilliseconds;
            output.WriteLine($"{profile}: dead to all after kill -9: {clock}");
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
        await using var witness = await TestMember.JoinAsync(redis.Address, _cluster, Witness(profile));
        using var frozen = await StartVictimAsync(profile, [witness]);

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

    /// <summary>The profile's interval, by which others are found dead, with a lease that a busy machine does not cost.</summary>
    private static Action<RedisLeaseOptions> Witness(string profile) =>
        profile == "fast" ? TestMember.Patient : options => options.Lease = TimeSpan.FromSeconds(30);

    /// <summary>A member that all see and that holds the grain <c>g</c>. One that lost its lease before it came so far, as its process got no time to run, is replaced.</summary>
    private async Task<MemberProcess> StartVictimAsync(string profile, TestMember[] witnesses)
    {
        for (var attempt = 1; ; attempt++)
        {
            var victim = await MemberProcess.StartAsync(redis.Address, _cluster, profile);
            victim.Say("register g");
            var answer = await victim.ReadAsync();
            if (answer == $"winner {victim.Address}")
            {
                await Task.WhenAll(witnesses.Select(witness => witness.SeesAsync(victim.Address, SiloStatus.Active)));
                return victim;
            }

            victim.Dispose();
            Assert.StartsWith("stale ", answer, StringComparison.Ordinal);
            Assert.True(attempt < MostVictims, $"{MostVictims} members in a row lost their lease before they registered anything; the last: {answer}");
        }
    }
}
