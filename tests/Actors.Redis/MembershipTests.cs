using Orleans.Runtime;

namespace Loire.Actors.Redis.Tests;

[Collection(SharedRedis.Name)]
public sealed class MembershipTests(RedisProcess redis)
{
    private readonly string _cluster = $"m-{Guid.NewGuid():N}";

    [RedisFact]
    public async Task Members_see_each_other_with_all_that_they_say_of_themselves()
    {
        await using var first = await TestMember.JoinAsync(redis.Address, _cluster, metadata: new() { ["devices"] = "h200:8", ["empty"] = "" });
        await using var second = await TestMember.JoinAsync(redis.Address, _cluster);

        await first.SeesAsync(second.Address, SiloStatus.Active);
        await second.SeesAsync(first.Address, SiloStatus.Active);

        Assert.Equal($"silo-{first.Address.Endpoint.Port}", second.Membership.CurrentSnapshot.Members[first.Address].Name);
        Assert.Equal("h200:8", second.Metadata.GetSiloMetadata(first.Address).Metadata["devices"]);
        Assert.Equal("", second.Metadata.GetSiloMetadata(first.Address).Metadata["empty"]);
        Assert.Empty(first.Metadata.GetSiloMetadata(second.Address).Metadata);
        Assert.Equal(first.Address.Endpoint.Port + 10_000, second.Gateways.GetGateway(first.Address)!.Endpoint.Port);
        Assert.True(second.Lease.Epoch > first.Lease.Epoch, "A later member has a larger epoch.");
        Assert.True(first.Lease.IsHeld);
    }

    [RedisFact]
    public async Task One_that_shuts_down_and_leaves_is_seen_to_and_loses_nothing()
    {
        await using var stays = await TestMember.JoinAsync(redis.Address, _cluster);
        await using var leaves = await TestMember.JoinAsync(redis.Address, _cluster);
        await leaves.Directory.Register(Grains.Address(leaves.Address, "g"));

        await leaves.Announcer.AnnounceAsync(SiloStatus.ShuttingDown);
        await stays.SeesAsync(leaves.Address, SiloStatus.ShuttingDown);
        await leaves.LeaveAsync();
        await stays.SeesAsync(leaves.Address, SiloStatus.Dead);

        Assert.False(leaves.Lease.IsHeld);
        Assert.False(leaves.Lease.Lost.IsCancellationRequested);
        Assert.Equal(SiloStatus.Dead, leaves.Membership.CurrentSnapshot.GetSiloStatus(leaves.Address));
        Assert.Null(await stays.Directory.Lookup(Grains.Id("g")));
    }

    [RedisFact]
    public async Task Nobody_joins_twice_with_one_address_and_a_successor_ends_its_predecessor()
    {
        await using var first = await TestMember.JoinAsync(redis.Address, _cluster);
        await using var again = TestMember.Create(redis.Address, _cluster, address: first.Address);
        var refusal = await Assert.ThrowsAsync<OrleansException>(() => again.Announcer.AnnounceAsync(SiloStatus.Joining));
        Assert.Contains(first.Address.ToString(), refusal.Message, StringComparison.Ordinal);

        var next = SiloAddress.New(first.Address.Endpoint, first.Address.Generation + 1);
        await using var successor = await TestMember.JoinAsync(redis.Address, _cluster, address: next);

        await successor.SeesAsync(first.Address, SiloStatus.Dead);
        await WhenLost.Of(first);
        Assert.Contains(next.ToString(), first.Lease.LostReason, StringComparison.Ordinal);
    }

    [RedisFact]
    public async Task One_that_is_killed_by_order_loses_its_lease_at_its_next_renewal()
    {
        await using var first = await TestMember.JoinAsync(redis.Address, _cluster);
        await using var second = await TestMember.JoinAsync(redis.Address, _cluster);

        Assert.True(await first.Membership.TryKill(second.Address));
        Assert.Equal(SiloStatus.Dead, first.Membership.CurrentSnapshot.GetSiloStatus(second.Address));
        Assert.False(await first.Membership.TryKill(second.Address));

        await WhenLost.Of(second);
        Assert.Contains("an order", second.Lease.LostReason, StringComparison.Ordinal);
        await Assert.ThrowsAsync<StaleMemberException>(() => second.Directory.Register(Grains.Address(second.Address, "g")));
    }

    [RedisFact]
    public async Task One_whose_address_refuses_connections_is_dead_long_before_its_lease_ends()
    {
        static void Long(RedisLeaseOptions options) => (options.Lease, options.RenewInterval) = (TimeSpan.FromMinutes(5), TimeSpan.FromMilliseconds(100));
        await using var first = await TestMember.JoinAsync(redis.Address, _cluster, Long);
        await using var second = await TestMember.JoinAsync(redis.Address, _cluster, Long);
        await first.SeesAsync(second.Address, SiloStatus.Active);

        first.Refusals.Refused(second.Address);

        await first.SeesAsync(second.Address, SiloStatus.Dead);
        await WhenLost.Of(second);
        Assert.Contains("refuses connections", second.Lease.LostReason, StringComparison.Ordinal);
        Assert.True(first.Lease.IsHeld);
    }

    [RedisFact]
    public async Task One_that_shuts_down_is_left_to_leave_by_itself_and_nobody_believes_a_refusal_that_is_not_to_be_trusted()
    {
        await using var first = await TestMember.JoinAsync(redis.Address, _cluster, options => options.TrustRefusals = false);
        await using var stops = await TestMember.JoinAsync(redis.Address, _cluster);
        await stops.Announcer.AnnounceAsync(SiloStatus.ShuttingDown);

        Assert.False(await first.Table.BuryAsync(stops.Address, "a refusal", SiloStatus.Active));
        first.Refusals.Refused(stops.Address);
        first.Refusals.Refused(first.Address);

        await first.SeesAsync(stops.Address, SiloStatus.ShuttingDown);
        Assert.True(first.Lease.IsHeld && stops.Lease.IsHeld);
    }

    [RedisFact]
    public async Task A_client_sees_the_cluster_and_is_not_in_it()
    {
        await using var silo = await TestMember.JoinAsync(redis.Address, _cluster);
        await silo.Directory.Register(Grains.Address(silo.Address, "g"));
        await using var client = await TestMember.ConnectClientAsync(redis.Address, _cluster, TestMember.Fast);

        Assert.Equal([silo.Address], client.Membership.CurrentSnapshot.Members.Keys);
        Assert.Equal(silo.Address, (await client.Directory.Lookup(Grains.Id("g")))?.SiloAddress);
        await using (var second = await TestMember.JoinAsync(redis.Address, _cluster, TestMember.Patient))
        {
            await client.SeesAsync(second.Address, SiloStatus.Active);
            await second.LeaveAsync();
            await client.SeesAsync(second.Address, SiloStatus.Dead);
        }

        await silo.VanishAsync();
        await client.SeesAsync(silo.Address, SiloStatus.Dead); // it is the only one left to see it
    }

    [RedisFact]
    public async Task Two_clusters_share_a_Redis_and_know_nothing_of_each_other()
    {
        await using var here = await TestMember.JoinAsync(redis.Address, _cluster);
        await using var there = await TestMember.JoinAsync(redis.Address, _cluster + "-other");
        await there.Directory.Register(Grains.Address(there.Address, "g"));

        await here.Membership.Refresh();

        Assert.Equal([here.Address], here.Membership.CurrentSnapshot.Members.Keys);
        Assert.Null(await here.Directory.Lookup(Grains.Id("g")));
    }

    [RedisFact]
    public async Task Rows_and_keys_are_bounded_when_many_have_come_and_gone()
    {
        await using var stays = await TestMember.JoinAsync(redis.Address, _cluster);
        for (var i = 0; i < 100; i++)
        {
            var address = TestMember.NewAddress();
            var row = new MemberRow { Name = $"n{i}", Status = SiloStatus.Joining, Gateway = "", Lease = 60_000, Nonce = $"{i}" };
            Assert.True((await stays.Table.JoinAsync(address, row, CancellationToken.None)).Epoch > 0);
            Assert.True(await stays.Table.BuryAsync(address, "the test"));
            while ((await stays.Table.SweepAsync(address.ToParsableString(), CancellationToken.None)).Left > 0)
            {
            }
        }

        await stays.LeaveAsync();

        using var connection = await redis.ConnectAsync();
        var database = connection.GetDatabase();
        Assert.InRange(await database.HashLengthAsync(stays.Keys.Membership[1]), 1, 65);
        Assert.InRange(connection.GetServer(redis.Address).Keys(pattern: $"loire:{{{_cluster}}}:*").Count(), 1, 3); // cluster, members, dead
    }
}
