using Microsoft.Extensions.DependencyInjection;
using Orleans.Runtime;

namespace Loire.Actors.Tests;

public sealed class RandomLivesPropertyTests
{
    private const int Callers = 8;
    private const int CallsEach = 1_500;

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public async Task Random_calls_cancellations_and_ends_never_run_two_turns_at_once_lose_no_call_and_leave_nothing(int seed)
    {
        var lives = new RandomLives();
        await using var silo = await TestSilo.StartAsync(builder => builder.Services.AddSingleton(lives));

        var callers = Enumerable.Range(0, Callers).Select(caller => Task.Run(() => CallAsync(silo, new Random((seed * 1000) + caller)))).ToArray();
        var counts = await Task.WhenAll(callers).WaitAsync(TimeSpan.FromMinutes(2));
        await silo.QuietAsync();

        Assert.Null(lives.Broken);
        Assert.Equal(Callers * CallsEach, counts.Sum());
        silo.Time.Advance(TimeSpan.FromMinutes(2));
        await silo.SettledAsync();
        Assert.Equal(0, lives.Streams);
    }

    private static async Task<int> CallAsync(TestSilo silo, Random random)
    {
        var ended = 0;
        var open = new List<Task>();
        for (var call = 0; call < CallsEach; call++)
        {
            // Twelve seconds in all: no call runs out of time for being unlucky, so one that does was lost.
            silo.Time.Advance(TimeSpan.FromMilliseconds(1));
            open.Add(OneAsync(silo, random));
            if (open.Count >= random.Next(1, 12))
            {
                await Task.WhenAll(open);
                ended += open.Count;
                open.Clear();
            }
        }

        await Task.WhenAll(open);
        return ended + open.Count;
    }

    private static Task OneAsync(TestSilo silo, Random random)
    {
        var grain = silo.Grain<IRandomGrain>($"g{random.Next(6)}");
        var number = random.Next();
        return random.Next(20) switch
        {
            0 => grain.End(),
            1 => grain.Move(),
            2 => Assert.ThrowsAsync<InvalidOperationException>(grain.Fail),
            3 or 4 => CancelAsync(grain, random.Next(6), number, random.Next(3)),
            5 or 6 => StreamAsync(grain, random.Next(12), random.Next(14)),
            7 or 8 => SameAsync(grain.CallOn($"h{random.Next(3)}", number), number),
            9 or 10 or 11 => SameAsync(grain.Read(random.Next(4), number), number),
            12 or 13 or 14 => SameAsync(grain.WorkValue(number).AsTask(), number),
            _ => SameAsync(grain.Work(random.Next(4), number), number),
        };
    }

    private static async Task SameAsync(Task<int> call, int number) => Assert.Equal(number, await call);

    private static async Task CancelAsync(IRandomGrain grain, int yields, int number, int after)
    {
        using var cancellation = new CancellationTokenSource();
        var call = grain.Cancellable(yields, number, cancellation.Token);
        for (var step = 0; step < after; step++)
        {
            await Task.Yield();
        }

        await cancellation.CancelAsync();
        try
        {
            Assert.Equal(number, await call);
        }
        catch (OperationCanceledException)
        {
            // Either outcome is right; none at all would be wrong.
        }
    }

    private static async Task StreamAsync(IRandomGrain grain, int count, int stopAt)
    {
        var expected = 0;
        try
        {
            await foreach (var item in grain.Stream(count).WithBatchSize(3))
            {
                Assert.Equal(expected++, item);
                if (expected == stopAt)
                {
                    break;
                }
            }
        }
        catch (EnumerationAbortedException)
        {
            // The grain was ended by another caller.
        }
    }
}
