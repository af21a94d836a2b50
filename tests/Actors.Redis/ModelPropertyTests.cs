using Orleans.Runtime;
using StackExchange.Redis;

namespace Loire.Actors.Redis.Tests;

/// <summary>Random joins, leaves, ends of leases and registrations, compared step by step with a model in memory.</summary>
[Collection(SharedRedis.Name)]
public sealed class ModelPropertyTests(RedisProcess redis)
{
    private static readonly TimeSpan Lease = TimeSpan.FromHours(4);

    private readonly string _cluster = $"p-{Guid.NewGuid():N}";
    private readonly List<SiloAddress> _silos = [];
    private readonly HashSet<SiloAddress> _alive = [];
    private readonly Dictionary<GrainId, GrainAddress> _entries = [];

    [RedisTheory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public async Task Whatever_happens_a_grain_has_one_live_entry_and_the_stale_register_nothing(int seed)
    {
        var random = new Random(seed);
        // A client, as it registers for any silo; its own beats come too seldom to take part.
        await using var client = await TestMember.ConnectClientAsync(redis.Address, _cluster, leases => (leases.Lease, leases.RenewInterval, leases.DeadRetention) = (Lease, TimeSpan.FromHours(1), TimeSpan.FromHours(5)));
        using var connection = await redis.ConnectAsync();
        var database = connection.GetDatabase();
        await JoinAsync(client);
        await database.HashSetAsync(client.Keys.Membership[0], "since", 0); // Redis has been up for long
        for (var step = 0; step < 1_500; step++)
        {
            await StepAsync(random, client, database);
            if (step % 100 == 0)
            {
                await AuditAsync(client, database);
            }
        }

        await AuditAsync(client, database);
        await EndAsync(client, database, connection.GetServer(redis.Address));
    }

    private async Task StepAsync(Random random, TestMember client, IDatabase database)
    {
        var silo = _silos[random.Next(_silos.Count)];
        var grain = Grains.Id($"g{random.Next(12)}");
        switch (random.Next(100))
        {
            case < 6:
                await JoinAsync(client);
                break;
            case < 9:
                Assert.Equal(_alive.Remove(silo), await client.Table.BuryAsync(silo, "the test"));
                break;
            case < 13 when _alive.Count > 1:
                await database.SortedSetAddAsync(client.Keys.Membership[2], silo.ToString(), 1, When.Exists); // its lease ended in 1970
                _alive.Remove(silo);
                break;
            case < 25:
                var beat = await client.Table.BeatAsync(silo, Lease, "the test", CancellationToken.None);
                Assert.Equal(_alive.Contains(silo), beat.Renewed);
                break;
            case < 60:
                await RegisterAsync(client, new() { GrainId = grain, SiloAddress = silo, ActivationId = ActivationId.NewId() }, null);
                break;
            case < 68:
                var previous = _entries.GetValueOrDefault(grain) ?? Grains.Address(silo, "none");
                await RegisterAsync(client, new() { GrainId = grain, SiloAddress = silo, ActivationId = ActivationId.NewId() }, previous with { GrainId = grain });
                break;
            case < 80:
                if (_entries.TryGetValue(grain, out var entry))
                {
                    await client.Directory.Unregister(entry);
                    _entries.Remove(grain);
                }

                break;
            case < 83:
                await client.Directory.UnregisterSilos([silo]); // takes nothing that counts
                break;
            default:
                Assert.Equal(Live(grain), (await client.Directory.Lookup(grain))?.ActivationId);
                break;
        }
    }

    private async Task JoinAsync(TestMember client)
    {
        var silo = TestMember.NewAddress();
        var row = new MemberRow { Name = "n", Status = SiloStatus.Joining, Gateway = "", Lease = (long)Lease.TotalMilliseconds, Nonce = $"{silo}" };
        Assert.True((await client.Table.JoinAsync(silo, row, CancellationToken.None)).Epoch > _silos.Count);
        Assert.True((await client.Table.JoinAsync(silo, row, CancellationToken.None)).Epoch > 0, "The same life may ask again.");
        _silos.Add(silo);
        _alive.Add(silo);
    }

    private async Task RegisterAsync(TestMember client, GrainAddress address, GrainAddress? previous)
    {
        if (!_alive.Contains(address.SiloAddress!))
        {
            await Assert.ThrowsAsync<StaleMemberException>(() => client.Directory.Register(address, previous));
            return;
        }

        var answer = await client.Directory.Register(address, previous);
        var before = _entries.GetValueOrDefault(address.GrainId);
        var wins = before is null || before.Matches(previous) || !_alive.Contains(before.SiloAddress!);
        Assert.Equal(wins ? address.ActivationId : before!.ActivationId, answer?.ActivationId);
        if (wins)
        {
            _entries[address.GrainId] = address;
        }
    }

    private ActivationId? Live(GrainId grain) =>
        _entries.TryGetValue(grain, out var entry) && _alive.Contains(entry.SiloAddress!) ? entry.ActivationId : null;

    /// <summary>The directory, the indexes and the members say what the model says.</summary>
    private async Task AuditAsync(TestMember client, IDatabase database)
    {
        for (var grain = 0; grain < 12; grain++)
        {
            Assert.Equal(Live(Grains.Id($"g{grain}")), (await client.Directory.Lookup(Grains.Id($"g{grain}")))?.ActivationId);
        }

        await client.Table.BeatAsync(null, Lease, "the audit", CancellationToken.None);
        await client.Membership.Refresh();
        Assert.Equal(_alive.Order(), client.Membership.CurrentSnapshot.Members.Values.Where(member => member.Status != SiloStatus.Dead).Select(member => member.SiloAddress).Order());
        foreach (var silo in _alive)
        {
            var index = (await database.SetMembersAsync(client.Keys.WithIndexOf(silo.ToString())[^1])).Select(member => member.ToString()).Order(StringComparer.Ordinal);
            Assert.Equal(_entries.Values.Where(entry => entry.SiloAddress == silo).Select(entry => entry.GrainId.ToString()).Order(StringComparer.Ordinal), index);
        }
    }

    private async Task EndAsync(TestMember client, IDatabase database, IServer server)
    {
        foreach (var silo in _alive)
        {
            await client.Table.BuryAsync(silo, "the end");
        }

        await client.Directory.UnregisterSilos(_silos);
        Assert.Equal(0, await database.HashLengthAsync(client.Keys.Directory));
        Assert.InRange(await database.HashLengthAsync(client.Keys.Membership[1]), 0, 64 + _silos.Count(silo => _alive.Contains(silo)));
        Assert.InRange(server.Keys(pattern: $"loire:{{{_cluster}}}:*").Count(), 1, 3); // cluster, members, dead
    }
}
