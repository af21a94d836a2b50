using System.Diagnostics;
using System.Runtime.CompilerServices;
using Orleans.Runtime;
using Xunit.Abstractions;

namespace Loire.Actors.Tests;

/// <summary>What a call costs. The figures are printed; what is asserted are bytes, which do not depend on the machine's other work.</summary>
[Collection(nameof(SpeedTests))]
[CollectionDefinition(nameof(SpeedTests), DisableParallelization = true)]
public sealed class SpeedTests(ITestOutputHelper output)
{
    private const int Calls = 200_000;

    [Fact]
    public async Task A_call_that_returns_a_value_task_allocates_at_most_100_bytes()
    {
        await using var silo = await TestSilo.StartAsync(RealTime);
        var grain = silo.Grain<ICallGrain>();
        var bytes = new byte[4096];

        var allocated = await MeasureAsync("ValueTask<int>, 4 KiB immutable", async () =>
        {
            for (var call = 0; call < Calls; call++)
            {
                await grain.LengthValue(bytes);
            }
        });

        Assert.InRange(allocated, 0, 100);
    }

    [Fact]
    public async Task A_call_that_returns_a_task_allocates_at_most_200_bytes()
    {
        await using var silo = await TestSilo.StartAsync(RealTime);
        var grain = silo.Grain<ICallGrain>();
        var bytes = new byte[4096];

        var allocated = await MeasureAsync("Task<int>, 4 KiB immutable", async () =>
        {
            for (var call = 0; call < Calls; call++)
            {
                await grain.Length(bytes);
            }
        });

        Assert.InRange(allocated, 0, 200);
    }

    [Fact]
    public async Task A_streamed_item_in_a_batch_costs_less_than_a_call()
    {
        await using var silo = await TestSilo.StartAsync(RealTime);
        var grain = silo.Grain<ISpeedGrain>();

        await MeasureAsync("streamed item, batches of 100", async () =>
        {
            await foreach (var _ in grain.Items(Calls))
            {
            }
        });
        await MeasureAsync("streamed item, one a batch", async () =>
        {
            await foreach (var _ in grain.Items(Calls).WithBatchSize(1))
            {
            }
        });
    }

    [Fact]
    public async Task A_grain_that_calls_a_grain_gets_its_answer_on_its_own_scheduler()
    {
        await using var silo = await TestSilo.StartAsync(RealTime);
        var grain = silo.Grain<ISpeedGrain>();

        await MeasureAsync("grain to grain, ValueTask<int>", () => grain.CallMany("other", Calls, new byte[4096]));
    }

    private static void RealTime(Orleans.Hosting.ISiloBuilder silo) => silo.Services.Add(
        new Microsoft.Extensions.DependencyInjection.ServiceDescriptor(typeof(TimeProvider), TimeProvider.System));

    [MethodImpl(MethodImplOptions.NoInlining)]
    private async Task<double> MeasureAsync(string what, Func<Task> run)
    {
        await Task.Run(run);
        await Task.Run(run);
        var best = TimeSpan.MaxValue;
        var allocated = double.MaxValue;
        for (var round = 0; round < 3; round++)
        {
            var before = GC.GetTotalAllocatedBytes(precise: true);
            var watch = Stopwatch.StartNew();
            await Task.Run(run);
            watch.Stop();
            best = watch.Elapsed < best ? watch.Elapsed : best;
            allocated = Math.Min(allocated, (GC.GetTotalAllocatedBytes(precise: true) - before) / (double)Calls);
        }

        output.WriteLine($"{what}: {best.TotalMicroseconds / Calls:0.00} µs, {allocated:0} B");
        return allocated;
    }
}
