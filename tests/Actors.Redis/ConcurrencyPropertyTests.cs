using System.Collections.Concurrent;
using Orleans.Runtime;
using Xunit.Abstractions;

namespace Loire.Actors.Redis.Tests;

/// <summary>Silos that come, register, vanish and leave at once, while Redis is killed and started. Nobody may hold what another holds.</summary>
public sealed class ConcurrencyPropertyTests(ITestOutputHelper output) : IDisposable
{
    private readonly RedisProcess _redis = new();
    private readonly ConcurrentDictionary<string, Holder> _holders = new();
    private int _steps;
    private int _claims;
    private int _refusals;
    private int _unanswered;

    [RedisTheory]
    [InlineData(11, 0)]
    [InlineData(12, 3)]
    public async Task Silos_that_race_never_hold_the_same_grain(int seed, int restarts)
    {
        var lives = Enumerable.Range(0, 5).Select(i => LivesAsync(new Random(seed + (100 * i)), 6)).ToArray();
        for (var restart = 0; restart < restarts; restart++)
        {
            await WhenStepsAsync((restart + 1) * 1_000);
            _redis.Kill();
            _redis.Start();
        }

        await Task.WhenAll(lives);

        output.WriteLine($"{_claims} claims, {_refusals} refusals, {_unanswered} without an answer, {restarts} restarts of Redis");
        Assert.True(_claims > 300, $"Only {_claims} claims were made.");
        await CheckNothingRemainsAsync();
    }

    public void Dispose() => _redis.Dispose();

    /// <summary>Several lives of one silo, one after the other.</summary>
    private async Task LivesAsync(Random random, int count)
    {
        for (var life = 0; life < count; life++)
        {
            await using var member = await TestMember.JoinAsync(_redis.Address, "c", TestMember.Fast);
            var self = new Life(member);
            for (var step = 0; step < 200 && member.Lease.IsHeld; step++)
            {
                await TryStepAsync(random, self);
            }

            self.Over = true; // from here on others may take what it holds
            if (random.Next(2) == 0)
            {
                await member.LeaveAsync();
            }
        }
    }

    private async Task TryStepAsync(Random random, Life self)
    {
        try
        {
            Interlocked.Increment(ref _steps);
            if (self.Held.Count > 0 && random.Next(2) == 0)
            {
                var (held, holder) = self.Held.ElementAt(random.Next(self.Held.Count));
                self.Held.Remove(held);
                _holders.TryRemove(new(held, holder)); // before it is true, so that another who takes it is right
                await self.Member.Directory.Unregister(holder.Address);
                return;
            }

            var key = $"g{random.Next(25)}";
            var mine = Grains.Address(self.Member.Address, key);
            var winner = await self.Member.Directory.Register(mine);
            if (winner is not null && winner.ActivationId == mine.ActivationId && self.Member.Lease.IsHeld)
            {
                Claim(key, self.Held[key] = new(self, mine));
            }
        }
        catch (StaleMemberException)
        {
            Interlocked.Increment(ref _refusals);
        }
        catch (RedisUnavailableException)
        {
            Interlocked.Increment(ref _unanswered);
        }
    }

    private void Claim(string key, Holder claim)
    {
        Interlocked.Increment(ref _claims);
        _holders.AddOrUpdate(key, claim, (_, before) =>
        {
            Assert.True(
                before.Life.Over || !before.Life.Lease.IsHeld,
                $"{key} is held by {before.Address} and by {claim.Address}.\n{before.Life.Log}\n{claim.Life.Log}");
            return claim;
        });
    }

    private async Task WhenStepsAsync(int count)
    {
        using var timeout = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(10));
        while (Volatile.Read(ref _steps) < count)
        {
            await timer.WaitForNextTickAsync(timeout.Token);
        }
    }

    private async Task CheckNothingRemainsAsync()
    {
        await using var last = await TestMember.JoinAsync(_redis.Address, "c", TestMember.Fast);
        foreach (var silo in last.Membership.CurrentSnapshot.Members.Keys.Where(silo => silo != last.Address))
        {
            await last.SeesAsync(silo, SiloStatus.Dead);
        }

        await last.Directory.UnregisterSilos([.. last.Membership.CurrentSnapshot.Members.Keys]);
        await last.LeaveAsync();
        using var connection = await _redis.ConnectAsync();
        Assert.Equal(["cluster", "dead", "members"], connection.GetServer(_redis.Address).Keys(pattern: "loire:*").Select(key => $"{key}"["loire:{c}:".Length..]).Order(StringComparer.Ordinal));
    }

    private sealed class Life(TestMember member)
    {
        private volatile bool _over;

        public TestMember Member => member;

        public Dictionary<string, Holder> Held { get; } = [];

        public IClusterLease Lease { get; } = member.Lease;

        public RecordingLog Log { get; } = member.Log;

        public bool Over
        {
            get => _over;
            set => _over = value;
        }
    }

    private sealed record Holder(Life Life, GrainAddress Address);
}
