using System.Collections.Concurrent;
using Orleans;
using Orleans.Runtime;

namespace Loire.Actors.Tests;

/// <summary>Silos that stop, die and start, and grains that move between them.</summary>
public sealed class SilosComeAndGoTests
{
    [Theory]
    [InlineData(0)]
    [InlineData(-1)]
    public async Task A_call_that_was_sent_to_a_silo_that_dies_fails_at_once_and_the_next_finds_another(int from)
    {
        await using var cluster = await TestCluster.StartAsync();
        var grain = cluster.From<ICallGrain>(from, "far");
        await cluster.PlaceAsync(1, () => grain.Key());
        var call = grain.Hold("held");
        await cluster.Board.Seen("held begins");

        await cluster.Cluster.KillSiloAsync(cluster.Cluster.Silos[1]);

        await Assert.ThrowsAsync<SiloUnavailableException>(() => call.WaitAsync(TestSilo.Patience));
        Assert.Equal("far", await grain.Key().WaitAsync(TestSilo.Patience));
        Assert.NotNull(cluster.Runtime(0).Catalog.Find(grain.GetGrainId()));
    }

    [Fact]
    public async Task A_silo_that_stops_hands_the_calls_that_wait_there_to_the_next()
    {
        await using var cluster = await TestCluster.StartAsync();
        var grain = cluster.From<ICallGrain>(0, "far");
        await cluster.PlaceAsync(1, () => grain.Key());
        var held = grain.Hold("held");
        await cluster.Board.Seen("held begins");
        var waiting = grain.Add(1, 2);

        var stop = cluster.Cluster.StopSiloAsync(cluster.Cluster.Silos[1]);
        cluster.Board.Open("held may end");

        Assert.Equal("held", await held.WaitAsync(TestSilo.Patience));
        Assert.Equal(3, await waiting.WaitAsync(TestSilo.Patience));
        await stop.WaitAsync(TestSilo.Patience);
        Assert.NotNull(cluster.Runtime(0).Catalog.Find(grain.GetGrainId()));
    }

    [Fact]
    public async Task A_silo_that_learns_that_it_is_dead_ends_its_grains_and_others_take_them()
    {
        await using var cluster = await TestCluster.StartAsync();
        var grain = cluster.From<ILifeGrain>(0, "far");
        await cluster.PlaceAsync(1, () => grain.Count());
        var dead = cluster.Cluster.Silos[1];
        var membership = (IClusterMembershipService)cluster.Cluster.Silos[0].ServiceProvider.GetService(typeof(IClusterMembershipService))!;

        Assert.True(await membership.TryKill(dead.SiloAddress));

        await cluster.Board.Seen("far ended");
        Assert.Equal(1, await grain.Count().WaitAsync(TestSilo.Patience));
        Assert.NotNull(cluster.Runtime(0).Catalog.Find(grain.GetGrainId()));
    }

    [Fact]
    public async Task A_client_outlives_all_silos_and_finds_new_ones()
    {
        await using var cluster = await TestCluster.StartAsync();
        var grain = cluster.From<ICallGrain>(-1, "any");
        await grain.Key();
        await cluster.Cluster.KillSiloAsync(cluster.Cluster.Silos[0]);
        await cluster.Cluster.KillSiloAsync(cluster.Cluster.Silos[0]);
        await Assert.ThrowsAnyAsync<OrleansException>(() => grain.Key().WaitAsync(TestSilo.Patience));

        await cluster.Cluster.StartAdditionalSiloAsync();

        Assert.Equal("any", await grain.Key().WaitAsync(TestSilo.Patience));
    }

    [Fact]
    public async Task A_grain_moves_to_another_silo_with_what_it_knows()
    {
        await using var cluster = await TestCluster.StartAsync();
        var grain = cluster.From<ILifeGrain>(-1, "moves");
        await cluster.PlaceAsync(0, () => grain.Count());
        await grain.Count();

        await grain.Move(cluster.Address(1));

        Assert.Equal(3, await grain.Count());
        Assert.NotNull(cluster.Runtime(1).Catalog.Find(grain.GetGrainId()));
        Assert.Null(cluster.Runtime(0).Catalog.Find(grain.GetGrainId()));
        await grain.Move(cluster.Address(0));
        Assert.Equal(4, await cluster.From<ILifeGrain>(1, "moves").Count());
    }

    [Fact]
    public async Task Calls_that_wait_while_a_grain_moves_go_on_in_order()
    {
        await using var cluster = await TestCluster.StartAsync();
        var grain = cluster.From<ILifeGrain>(0, "moves");
        await cluster.PlaceAsync(0, () => grain.Count());
        var held = grain.Hold("held");
        await cluster.Board.Seen("held begins");
        var move = grain.Move(cluster.Address(1));
        var counts = Enumerable.Range(0, 50).Select(_ => grain.Count()).ToArray();

        cluster.Board.Open("held may end");

        await held;
        await move;
        Assert.Equal(Enumerable.Range(2, 50), await Task.WhenAll(counts).WaitAsync(TestSilo.Patience));
        Assert.NotNull(cluster.Runtime(1).Catalog.Find(grain.GetGrainId()));
    }

    [Fact]
    public async Task A_grain_that_has_too_much_to_take_along_ends_where_it_is()
    {
        await using var cluster = await TestCluster.StartAsync(everywhere: services =>
            Microsoft.Extensions.DependencyInjection.OptionsServiceCollectionExtensions.Configure<Transport.TransportOptions>(services, options => options.MaxMigrationBytes = 2));
        var grain = cluster.From<ILifeGrain>(0, "moves");
        await cluster.PlaceAsync(0, () => grain.Count());

        await grain.Move(cluster.Address(1));

        Assert.Equal(1, await grain.Count());
    }

    /// <summary>Silos die, stop and start under calls of all kinds from everywhere: each call ends, by an answer or by an exception.</summary>
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public async Task Ten_thousand_calls_under_churn_all_end(int seed)
    {
        const int calls = 10_000;
        const int callers = 20;
        await using var cluster = await TestCluster.StartAsync(3);
        var random = new Random(seed);
        var failures = new ConcurrentDictionary<string, int>();
        var answered = 0;
        var ended = 0;
        var clients = Enumerable.Range(0, callers).Select(caller => Task.Run(async () =>
        {
            var own = new Random((seed * 1_000) + caller);
            for (var call = 0; call < calls / callers; call++)
            {
                var grain = cluster.From<ICallGrain>(-1, $"grain {own.Next(50)}");
                try
                {
                    var sum = own.Next(3) switch
                    {
                        0 => await grain.Add(call, 1),
                        1 => await grain.AddValue(call, 1),
                        _ => (await grain.ContextThrough($"grain {own.Next(50, 100)}", "x") is null ? call + 1 : 0),
                    };
                    Assert.Equal(call + 1, sum);
                    Interlocked.Increment(ref answered);
                }
                catch (Exception exception) when (exception is OrleansException or TimeoutException)
                {
                    failures.AddOrUpdate(exception.GetType().Name, 1, (_, count) => count + 1);
                }

                Interlocked.Increment(ref ended);
            }
        })).ToArray();

        var all = Task.WhenAll(clients);
        for (var step = 1; step <= 9 && !all.IsCompleted; step++)
        {
            for (var seen = -1; Volatile.Read(ref ended) is var now && now < step * calls / 10 && !all.IsCompleted; seen = now)
            {
                if (now == seen)
                {
                    await Task.WhenAny(all, Task.Delay(1));
                    cluster.Time.Advance(TimeSpan.FromMilliseconds(1)); // all callers may be in the pause before a call is tried again
                }
                else
                {
                    await Task.Yield();
                }
            }

            var silos = cluster.Cluster.Silos;
            if (silos.Count > 1 && random.Next(3) > 0)
            {
                var victim = silos[random.Next(silos.Count)];
                await (random.Next(2) == 0 ? cluster.Cluster.KillSiloAsync(victim) : cluster.Cluster.StopSiloAsync(victim)).WaitAsync(TestSilo.Patience);
            }
            else
            {
                await cluster.Cluster.StartAdditionalSiloAsync().WaitAsync(TestSilo.Patience);
            }
        }

        // What is left may end by a time-out only.
        for (var seconds = 0; !all.IsCompleted && seconds < 1_000; seconds++)
        {
            await Task.WhenAny(all, Task.Delay(100));
            cluster.Time.Advance(TimeSpan.FromMilliseconds(500));
        }

        await all.WaitAsync(TestSilo.Patience);
        Assert.Equal(calls, ended);
        Assert.True(answered > calls / 2, $"{answered} of {calls} were answered; {string.Join(", ", failures)}");
    }
}
