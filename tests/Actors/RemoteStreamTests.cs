using Orleans.Runtime;

namespace Loire.Actors.Tests;

/// <summary>Streams of grains on another silo.</summary>
public sealed class RemoteStreamTests
{
    [Theory]
    [InlineData(-1, 1)]
    [InlineData(0, 7)]
    [InlineData(0, 100)]
    public async Task All_items_arrive_in_order(int from, int batch)
    {
        await using var cluster = await TestCluster.StartAsync();
        var grain = await FarAsync(cluster, from);
        var items = new List<int>();

        await foreach (var item in grain.Count(250).WithBatchSize(batch))
        {
            items.Add(item);
        }

        Assert.Equal(Enumerable.Range(0, 250), items);
        await cluster.Board.Seen("finally");
    }

    [Fact]
    public async Task A_reader_that_leaves_early_runs_the_grains_finally()
    {
        await using var cluster = await TestCluster.StartAsync();
        var grain = await FarAsync(cluster);
        cluster.Board.Open("gate 0");

        await foreach (var item in grain.Gated(10))
        {
            Assert.Equal(0, item);
            cluster.Board.Open("gate 1");
            break;
        }

        await cluster.Board.Seen("finally");
    }

    [Fact]
    public async Task A_reader_that_is_cancelled_runs_the_grains_finally()
    {
        await using var cluster = await TestCluster.StartAsync();
        var grain = await FarAsync(cluster);
        using var stop = new CancellationTokenSource();

        var reading = Task.Run(async () =>
        {
            await foreach (var _ in grain.Count(1_000, stop.Token))
            {
            }
        });
        await cluster.Board.Seen("waits for cancellation");
        await stop.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => reading);

        await cluster.Board.Seen("finally");
    }

    [Fact]
    public async Task The_exception_of_a_stream_comes_after_its_items()
    {
        await using var cluster = await TestCluster.StartAsync();
        var grain = await FarAsync(cluster);
        var items = new List<int>();

        var exception = await Assert.ThrowsAsync<InvalidOperationException>(async () =>
        {
            await foreach (var item in grain.FailAfter(3))
            {
                items.Add(item);
            }
        });

        Assert.Equal("failed after 3", exception.Message);
        Assert.Equal([0, 1, 2], items);
    }

    [Fact]
    public async Task Other_calls_pass_a_stream_that_waits()
    {
        await using var cluster = await TestCluster.StartAsync();
        var grain = await FarAsync(cluster);
        await using var items = grain.Gated(1).GetAsyncEnumerator();
        var next = items.MoveNextAsync();
        await cluster.Board.Seen("awaits gate 0");

        Assert.Equal(1, await grain.Ping());

        cluster.Board.Open("gate 0");
        Assert.True(await next);
    }

    [Fact]
    public async Task A_stream_whose_readers_silo_dies_is_ended_by_the_sweep()
    {
        await using var cluster = await TestCluster.StartAsync();
        var grain = await FarAsync(cluster);
        cluster.Board.Open("gate 0");
        var items = grain.Gated(10).GetAsyncEnumerator();
        Assert.True(await items.MoveNextAsync());
        cluster.Board.Open("gate 1");

        await cluster.Cluster.KillSiloAsync(cluster.Cluster.Silos[0]);
        await Assert.ThrowsAnyAsync<Exception>(async () =>
        {
            while (await items.MoveNextAsync())
            {
                cluster.Board.Open("gate 2");
            }
        });

        for (var seconds = 0; seconds < 40; seconds++)
        {
            cluster.Time.Advance(TimeSpan.FromSeconds(1));
        }

        await cluster.Board.Seen("finally");
    }

    [Fact]
    public async Task A_stream_whose_grain_dies_fails_at_once()
    {
        await using var cluster = await TestCluster.StartAsync();
        var grain = await FarAsync(cluster);
        var items = grain.Gated(10).GetAsyncEnumerator();
        var next = items.MoveNextAsync();
        await cluster.Board.Seen("awaits gate 0");

        await cluster.Cluster.KillSiloAsync(cluster.Cluster.Silos[1]);

        await Assert.ThrowsAsync<SiloUnavailableException>(async () => await next);
    }

    private static async Task<IStreamGrain> FarAsync(TestCluster cluster, int from = 0)
    {
        var grain = cluster.From<IStreamGrain>(from, "far");
        await cluster.PlaceAsync(1, () => grain.Ping());
        return grain;
    }
}
