using Orleans;
using Orleans.Hosting;
using Orleans.Runtime;

namespace Loire.Actors.Tests;

public sealed class StreamTests
{
    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(99)]
    [InlineData(100)]
    [InlineData(257)]
    public async Task All_items_arrive_in_order(int count)
    {
        await using var silo = await TestSilo.StartAsync();
        var items = new List<int>();

        await foreach (var item in silo.Grain<IStreamGrain>().Count(count))
        {
            items.Add(item);
        }

        Assert.Equal(Enumerable.Range(0, count), items);
        await silo.Board.Seen("finally");
        Assert.Equal(0, silo.Runtime.Audit().Streams);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    [InlineData(100)]
    public async Task The_grain_runs_ahead_of_its_reader_by_one_batch_at_most(int batch)
    {
        await using var silo = await TestSilo.StartAsync();

        await foreach (var item in silo.Grain<IStreamGrain>().Count(500).WithBatchSize(batch))
        {
            Assert.InRange(silo.Board.Notes.Length, item + 1, item + 2 + batch);
        }
    }

    [Fact]
    public async Task A_grain_that_ends_hears_of_it_before_its_readers_are_cut_off()
    {
        await using var silo = await TestSilo.StartAsync();
        var grain = silo.Grain<IStreamGrain>();
        await using var reader = grain.Count(500).WithBatchSize(1).GetAsyncEnumerator();
        Assert.True(await reader.MoveNextAsync());
        var activation = silo.Runtime.Catalog.Find(grain.GetGrainId())!; // it has just answered

        activation.Deactivate(new DeactivationReason(DeactivationReasonCode.ApplicationRequested, "The test ends it."));
        await activation.Deactivated.WaitAsync(TestSilo.Patience);

        Assert.Contains("ended before its streams", silo.Board.Notes);
        await silo.Board.Seen("finally");
        await Assert.ThrowsAsync<EnumerationAbortedException>(async () => await reader.MoveNextAsync());
    }

    [Fact]
    public async Task An_item_is_delivered_before_the_next_one_is_there()
    {
        await using var silo = await TestSilo.StartAsync();
        await using var reader = silo.Grain<IStreamGrain>().Gated(2).GetAsyncEnumerator();

        silo.Board.Open("gate 0");
        Assert.True(await reader.MoveNextAsync().AsTask().WaitAsync(TestSilo.Patience));
        Assert.Equal(0, reader.Current);
        var next = reader.MoveNextAsync();
        Assert.False(next.IsCompleted);
        silo.Board.Open("gate 1");

        Assert.True(await next);
        Assert.False(await reader.MoveNextAsync());
    }

    [Fact]
    public async Task Other_calls_run_between_and_during_the_pulls()
    {
        await using var silo = await TestSilo.StartAsync();
        var grain = silo.Grain<IStreamGrain>();
        await using var reader = grain.Gated(1).GetAsyncEnumerator();
        var pull = reader.MoveNextAsync();
        await silo.Board.Seen("awaits gate 0");

        Assert.Equal(1, await grain.Ping().WaitAsync(TestSilo.Patience));

        silo.Board.Open("gate 0");
        Assert.True(await pull);
    }

    [Fact]
    public async Task Breaking_off_runs_the_grains_finally()
    {
        await using var silo = await TestSilo.StartAsync();

        await foreach (var item in silo.Grain<IStreamGrain>().Count(500))
        {
            if (item == 3)
            {
                break;
            }
        }

        await silo.Board.Seen("finally");
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Cancelling_ends_the_reader_and_runs_the_grains_finally(bool asArgument)
    {
        await using var silo = await TestSilo.StartAsync();
        using var cancellation = new CancellationTokenSource();
        var stream = asArgument
            ? silo.Grain<IStreamGrain>().Count(1_000, cancellation.Token)
            : silo.Grain<IStreamGrain>().Count(1_000);
        var cancelled = CancelWhenReadAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () =>
        {
            await foreach (var item in stream.WithCancellation(asArgument ? default : cancellation.Token))
            {
                Assert.InRange(item, 0, 999);
            }
        });

        await silo.Board.Seen("finally");
        await cancelled;

        async Task CancelWhenReadAsync()
        {
            await silo.Board.Seen("waits for cancellation");
            await cancellation.CancelAsync();
        }
    }

    [Fact]
    public async Task A_failure_reaches_the_reader_after_the_items_before_it()
    {
        await using var silo = await TestSilo.StartAsync();
        var items = new List<int>();

        var exception = await Assert.ThrowsAsync<InvalidOperationException>(async () =>
        {
            await foreach (var item in silo.Grain<IStreamGrain>().FailAfter(3))
            {
                items.Add(item);
            }
        });

        Assert.Equal("failed after 3", exception.Message);
        Assert.Equal([0, 1, 2], items);
        Assert.Equal(0, silo.Runtime.Audit().Streams);
    }

    [Fact]
    public async Task A_reader_may_wait_for_an_item_for_longer_than_a_call()
    {
        var board = new Board();
        var pulls = 0;
        await using var silo = await TestSilo.StartAsync(builder => builder.AddIncomingGrainCallFilter(context =>
        {
            var pulled = context.Invoke();
            board.Open($"pull {++pulls}");
            return pulled;
        }));
        await using var reader = silo.Grain<IStreamGrain>().Gated(1).GetAsyncEnumerator();
        var pull = reader.MoveNextAsync().AsTask();
        await silo.Board.Seen("awaits gate 0");
        await board.Seen("pull 1"); // it waits for its heartbeat now; earlier, the clock would leap past that

        for (var next = 2; next <= 6; next++)
        {
            silo.Time.Advance(TimeSpan.FromSeconds(16));
            await board.Seen($"pull {next}");
        }

        silo.Board.Open("gate 0");
        Assert.True(await pull.WaitAsync(TestSilo.Patience));
    }

    [Fact]
    public async Task A_stream_whose_reader_does_not_come_back_is_ended()
    {
        await using var silo = await TestSilo.StartAsync();
        var reader = silo.Grain<IStreamGrain>().Count(500).GetAsyncEnumerator();
        Assert.True(await reader.MoveNextAsync());
        Assert.Equal(1, silo.Runtime.Audit().Streams);

        silo.Time.Advance(TimeSpan.FromSeconds(31));
        await silo.Board.Seen("finally");

        await Assert.ThrowsAsync<EnumerationAbortedException>(async () =>
        {
            while (await reader.MoveNextAsync())
            {
            }
        });
        await reader.DisposeAsync();
    }

    [Fact]
    public async Task The_end_of_the_activation_cuts_its_readers_off_and_runs_the_finally()
    {
        await using var silo = await TestSilo.StartAsync();
        var grain = silo.Grain<IStreamGrain>();
        await using var reader = grain.Count(1_000).GetAsyncEnumerator();
        Assert.True(await reader.MoveNextAsync());

        await grain.End();
        await silo.Board.Seen("finally");

        await Assert.ThrowsAsync<EnumerationAbortedException>(async () =>
        {
            while (await reader.MoveNextAsync())
            {
            }
        });
    }

    [Fact]
    public async Task Items_that_can_change_are_copied()
    {
        await using var silo = await TestSilo.StartAsync();
        var trees = new List<Tree>();

        await foreach (var tree in silo.Grain<IStreamGrain>().Trees())
        {
            trees.Add(tree);
        }

        Assert.Equal(2, trees.Count);
        Assert.NotSame(trees[0], trees[1]);
    }
}
