using Orleans.Runtime;

namespace Loire.Actors.Redis.Tests;

[Collection(SharedRedis.Name)]
public sealed class DirectoryTests(RedisProcess redis, Xunit.Abstractions.ITestOutputHelper output)
{
    private readonly string _cluster = $"d-{Guid.NewGuid():N}";

    [RedisFact]
    public async Task The_first_registration_wins_and_all_see_it()
    {
        await using var first = await TestMember.JoinAsync(redis.Address, _cluster);
        await using var second = await TestMember.JoinAsync(redis.Address, _cluster);
        var winner = Grains.Address(first.Address, "key with spaces/and ünïcode");
        var loser = Grains.Address(second.Address, "key with spaces/and ünïcode");

        Assert.True(winner.Matches(await first.Directory.Register(winner)));
        Assert.True(winner.Matches(await second.Directory.Register(loser)));
        Assert.True(winner.Matches(await second.Directory.Lookup(winner.GrainId)));

        await second.Directory.Unregister(loser); // not the one that is there
        Assert.True(winner.Matches(await second.Directory.Lookup(winner.GrainId)));
        await first.Directory.Unregister(winner);
        Assert.Null(await second.Directory.Lookup(winner.GrainId));
    }

    [RedisFact]
    public async Task An_activation_that_moves_takes_the_place_of_the_one_before_it_and_of_no_other()
    {
        await using var first = await TestMember.JoinAsync(redis.Address, _cluster);
        await using var second = await TestMember.JoinAsync(redis.Address, _cluster);
        var before = Grains.Address(first.Address, "g");
        await first.Directory.Register(before);
        var after = Grains.Address(second.Address, "g");

        Assert.True(before.Matches(await second.Directory.Register(after, Grains.Address(first.Address, "g"))));
        Assert.True(after.Matches(await second.Directory.Register(after, before)));
        Assert.True(after.Matches(await first.Directory.Lookup(before.GrainId)));

        await first.LeaveAsync(); // its sweep takes nothing of the second
        Assert.True(after.Matches(await second.Directory.Lookup(before.GrainId)));
    }

    [RedisFact]
    public async Task One_that_has_not_joined_registers_nothing()
    {
        await using var silo = TestMember.Create(redis.Address, _cluster);

        var refusal = await Assert.ThrowsAsync<StaleMemberException>(() => silo.Directory.Register(Grains.Address(silo.Address, "g")));

        Assert.Contains("test/g", refusal.Message, StringComparison.Ordinal);
        Assert.Contains(silo.Address.ToString(), refusal.Message, StringComparison.Ordinal);
    }

    [RedisFact]
    public async Task Entries_of_a_silo_that_is_gone_are_removed_in_portions_and_those_of_the_living_stay()
    {
        await using var stays = await TestMember.JoinAsync(redis.Address, _cluster, TestMember.Patient);
        await using var goes = await TestMember.JoinAsync(redis.Address, _cluster);
        await Task.WhenAll(Enumerable.Range(0, 1_300).Select(i => goes.Directory.Register(Grains.Address(goes.Address, $"g{i}"))));
        await stays.Directory.Register(Grains.Address(stays.Address, "mine"));
        await stays.Directory.UnregisterSilos([stays.Address]); // it lives
        Assert.NotNull(await stays.Directory.Lookup(Grains.Id("mine")));

        await goes.VanishAsync();
        await stays.SeesAsync(goes.Address, SiloStatus.Dead);
        Assert.Null(await stays.Directory.Lookup(Grains.Id("g7")));
        Assert.Equal(stays.Address, (await stays.Directory.Register(Grains.Address(stays.Address, "g8")))?.SiloAddress);
        await stays.Directory.UnregisterSilos([goes.Address]);

        using var connection = await redis.ConnectAsync();
        Assert.Equal(2, await connection.GetDatabase().HashLengthAsync(stays.Keys.Directory));
        Assert.False(await connection.GetDatabase().KeyExistsAsync(stays.Keys.WithIndexOf(goes.Address.ToString())[^1]));
        Assert.False(await connection.GetDatabase().KeyExistsAsync(stays.Keys.Membership[4]));
    }

    [RedisFact]
    public async Task Of_registrations_that_race_one_wins_and_all_are_told_the_same()
    {
        var random = new Random(20);
        var silos = await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => TestMember.JoinAsync(redis.Address, _cluster)));
        for (var round = 0; round < 1_000; round++)
        {
            var racers = silos.Where(_ => random.Next(3) > 0).Append(silos[random.Next(silos.Length)]).Distinct().OrderBy(_ => random.Next()).ToArray();
            var tries = racers.Select(silo => Grains.Address(silo.Address, $"g{random.Next(50)}-{round / 20}")).ToArray();
            var answers = await Task.WhenAll(racers.Select((silo, i) => silo.Directory.Register(tries[i])));
            foreach (var grain in answers.GroupBy(answer => answer!.GrainId))
            {
                Assert.Single(grain.DistinctBy(answer => answer!.ActivationId));
            }

            if (random.Next(2) == 0)
            {
                var gone = answers[random.Next(answers.Length)]!;
                await silos.Single(silo => silo.Address == gone.SiloAddress).Directory.Unregister(gone);
                Assert.Null(await silos[0].Directory.Lookup(gone.GrainId));
            }
        }

        foreach (var silo in silos)
        {
            await silo.DisposeAsync();
        }
    }

    [RedisFact]
    public async Task Registrations_are_one_round_trip_each_and_many_are_under_way_at_once()
    {
        await using var silo = await TestMember.JoinAsync(redis.Address, _cluster, leases => leases.CommandTimeout = TimeSpan.FromSeconds(10));
        await silo.Directory.Register(Grains.Address(silo.Address, "warm"));
        var clock = System.Diagnostics.Stopwatch.StartNew();
        for (var i = 0; i < 500; i++)
        {
            await silo.Directory.Register(Grains.Address(silo.Address, $"one{i}"));
        }

        var one = clock.Elapsed / 500;
        clock.Restart();
        await Task.WhenAll(Enumerable.Range(0, 5_000).Select(i => silo.Directory.Register(Grains.Address(silo.Address, $"many{i}"))));
        output.WriteLine($"one at a time {one.TotalMicroseconds:0} µs; 5,000 at once: {5_000 / clock.Elapsed.TotalSeconds:0} a second");

        using var connection = await redis.ConnectAsync();
        Assert.Equal(5_501, await connection.GetDatabase().HashLengthAsync(silo.Keys.Directory));
    }
}
