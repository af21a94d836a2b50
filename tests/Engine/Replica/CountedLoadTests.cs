using Loire.Engine.Models;
using Loire.Engine.Placement;
using Loire.Engine.Replica;
using Loire.Engine.Tests.Weights;

namespace Loire.Engine.Tests.Replica;

/// <summary>What shards on GPUs say of their load: what is counted there while it is, and afterwards what it was at the end.</summary>
public sealed class CountedLoadTests
{
    private const int Experts = 8;

    [Fact]
    public void A_shard_says_what_its_GPU_counts_for_its_experts_once_the_replica_is_joined()
    {
        var shards = Shards("0+1,2");
        Assert.Equal([0, 0, 0, 0], LoadOf(shards[0]));

        using var first = Counting(100);
        using var second = Counting(200);
        using var third = Counting(300);
        CudaReplica.Connect(shards, [first, second, third]);

        Assert.Equal([100, 101, 102, 103], LoadOf(shards[0]));
        Assert.Equal([204, 205, 206, 207], LoadOf(shards[1]));
        Assert.Equal([300, 301, 302, 303, 304, 305, 306, 307], LoadOf(shards[2]));
    }

    [Fact]
    public void When_the_replica_is_disposed_its_shards_say_what_was_counted_until_then()
    {
        var shards = Shards("0");
        var reads = 0;
        var load = new CountedLoad(Experts, counts =>
        {
            reads++;
            Array.Fill(counts, 10 * reads);
            return true;
        });
        CudaReplica.Connect(shards, [load]);
        Assert.All(LoadOf(shards[0]), count => Assert.Equal(10, count));

        load.Dispose();
        load.Dispose();

        Assert.All(LoadOf(shards[0]), count => Assert.Equal(20, count));
        Assert.Equal(2, reads);
    }

    [Fact]
    public void A_shard_whose_replica_is_joined_anew_says_what_the_new_one_counts()
    {
        var shards = Shards("0");
        var before = Counting(100);
        CudaReplica.Connect(shards, [before]);
        before.Dispose();

        using var after = Counting(0);
        CudaReplica.Connect(shards, [after]);

        Assert.Equal([0, 1, 2, 3, 4, 5, 6, 7], LoadOf(shards[0]));
    }

    [Fact]
    public void Counts_that_cannot_be_read_are_those_that_were_read_last()
    {
        var isLost = false;
        var load = new CountedLoad(1, counts =>
        {
            if (!isLost)
            {
                counts[0] = 7;
            }

            return !isLost;
        });
        var found = new long[1];
        load.CopyTo(0, found);

        isLost = true;
        load.CopyTo(0, found);
        load.Dispose();
        load.CopyTo(0, found);

        Assert.Equal([7], found);
    }

    [Fact]
    public async Task Nothing_is_read_while_or_after_it_is_freed_whoever_asks_at_that_time()
    {
        for (var round = 0; round < 20; round++)
        {
            var isFreed = false;
            var load = new CountedLoad(2, counts =>
            {
                Assert.False(Volatile.Read(ref isFreed));
                counts[0]++;
                counts[1]++;
                return true;
            });
            using var start = new Barrier(4);
            await Task.WhenAll(new[] { Free, Read, Read, Read }.Select(act => Task.Factory.StartNew(act, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default)));

            void Free()
            {
                start.SignalAndWait(TimeSpan.FromSeconds(30));
                load.Dispose();
                Volatile.Write(ref isFreed, true);
            }

            void Read()
            {
                start.SignalAndWait(TimeSpan.FromSeconds(30));
                var found = new long[2];
                for (var i = 0; i < 100; i++)
                {
                    load.CopyTo(0, found);
                    Assert.Equal(found[0], found[1]);
                }
            }
        }
    }

    private static CountedLoad Counting(long first) => new(Experts, counts =>
    {
        for (var expert = 0; expert < counts.Length; expert++)
        {
            counts[expert] = first + expert;
        }

        return true;
    });

    private static ICpuShard[] Shards(string groups)
    {
        Assert.True(GpuGroups.TryParse(groups, out var parsed, out var error), error);
        var model = ModelFolder.Open(RepositoryPaths.DemoModel);
        var plan = GpuPlan.Of(model.Graph, parsed);
        return [.. plan.Gpus.Select((_, gpu) => CudaReplica.LoadShard(model, plan, gpu, new CudaOptions()))];
    }

    private static long[] LoadOf(ICpuShard shard)
    {
        var load = new long[shard.EndExpert - shard.FirstExpert];
        Array.Fill(load, -1);
        shard.CopyLoad(load);
        return load;
    }
}
