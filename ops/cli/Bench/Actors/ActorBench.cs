using System.Diagnostics;
using Microsoft.Extensions.DependencyInjection;
using Orleans;
using Orleans.Runtime;
using Orleans.Runtime.Placement;
using Orleans.TestingHost;

namespace Loire.Cli.Bench.Actors;

/// <summary>What a call costs: inside a silo, and between two silos in two processes over the loopback interface, next to TCP without anything.</summary>
internal sealed class ActorBench(int runs, CancellationToken cancellationToken)
{
    private const int Calls = 3_000;
    private const int LocalCalls = 200_000;
    private const int InFlight = 16;

    private readonly List<Measurement> _measurements = [];

    public async Task<IReadOnlyList<Measurement>> RunAsync(IProgress<double> progress)
    {
        using var host = await TwoSilos.StartSiloAsync(cancellationToken);
        using var peer = await ActorPeer.StartAsync(host.Services.GetRequiredService<ILocalSiloDetails>().SiloAddress, cancellationToken);
        host.Services.GetRequiredService<TwoSilos>().Meet(peer.Address);
        var client = host.Services.GetRequiredService<IClusterClient>();

        await LocalAsync(await PlaceAsync(client, "local", host.Services.GetRequiredService<ILocalSiloDetails>().SiloAddress));
        progress.Report(0.2);
        var remote = await PlaceAsync(client, "remote", peer.Address);
        await OneAtATimeAsync(remote, peer.Port, 4 << 10, ratio: 1.8);
        await OneAtATimeAsync(remote, peer.Port, 64 << 10, ratio: 2.5);
        progress.Report(0.5);
        await ManyAsync(remote, peer.Port, 4 << 10, calls: 160e3, gibibytes: null);
        await ManyAsync(remote, peer.Port, 64 << 10, calls: null, gibibytes: 2.0);
        progress.Report(0.8);
        await StreamAsync(remote, peer.Port);
        await host.StopAsync(cancellationToken);
        await MoveAsync(1 << 20);
        await MoveAsync(64 << 20);
        return _measurements;
    }

    private static async Task<IBenchGrain> PlaceAsync(IClusterClient client, string key, SiloAddress silo)
    {
        RequestContext.Set(IPlacementDirector.PlacementHintKey, silo);
        var grain = client.GetGrain<IBenchGrain>(key);
        await grain.Length([]);
        RequestContext.Clear();
        return grain;
    }

    private async Task LocalAsync(IBenchGrain grain)
    {
        var bytes = new byte[4 << 10];
        List<double> microseconds = [];
        List<double> allocated = [];
        for (var run = -2; run < runs; run++)
        {
            var before = GC.GetTotalAllocatedBytes(precise: true);
            var start = Stopwatch.GetTimestamp();
            for (var call = 0; call < LocalCalls; call++)
            {
                await grain.Length(bytes).ConfigureAwait(false);
            }

            if (run >= 0)
            {
                microseconds.Add(Stopwatch.GetElapsedTime(start).TotalMicroseconds / LocalCalls);
                allocated.Add((GC.GetTotalAllocatedBytes(precise: true) - before) / (double)LocalCalls);
            }
        }

        Add("inside a silo, 4 KiB immutable", "µs", microseconds, 1.5);
        Add("inside a silo, 4 KiB immutable: allocated", "B", allocated, 200);
    }

    /// <summary>Rounds of calls and of the floor take turns, so that whatever else the machine does meets both.</summary>
    private async Task OneAtATimeAsync(IBenchGrain grain, int port, int size, double ratio)
    {
        using var floor = new PingPong();
        await floor.ConnectAsync(port, size, cancellationToken);
        var bytes = new byte[size];
        List<double> floors = [], medians = [], tails = [], ratios = [];
        for (var run = -2; run < runs; run++)
        {
            var pings = await TimeAsync(() => floor.PingAsync(bytes, cancellationToken));
            var calls = await TimeAsync(async () => await grain.Length(bytes).ConfigureAwait(false));
            if (run >= 0)
            {
                floors.Add(pings.P50);
                medians.Add(calls.P50);
                tails.Add(calls.P99);
                ratios.Add(calls.P50 / pings.P50);
            }
        }

        var name = $"across silos, {size >> 10} KiB";
        Add($"floor: TCP, {size >> 10} KiB: p50", "µs", floors, null);
        Add($"{name}: p50", "µs", medians, null);
        Add($"{name}: p99", "µs", tails, null);
        Add($"{name}: p50 over the floor", "x", ratios, ratio);
    }

    /// <summary>The limit is what the floor does with as many connections in the same run: what TCP costs on these cores.</summary>
    private async Task ManyAsync(IBenchGrain grain, int port, int size, double? calls, double? gibibytes)
    {
        List<double> rates = [], floors = [], medians = [], tails = [], ratios = [];
        var bytes = new byte[size];
        var sockets = new PingPong[InFlight];
        for (var index = 0; index < InFlight; index++)
        {
            sockets[index] = new PingPong();
            await sockets[index].ConnectAsync(port, size, cancellationToken);
        }

        for (var run = -1; run < runs; run++)
        {
            var floor = await RateAsync(size, worker => sockets[worker].PingAsync(bytes, cancellationToken));
            var grains = await RateAsync(size, async _ => await grain.Length(bytes).ConfigureAwait(false));
            if (run >= 0)
            {
                floors.Add(floor.Rate);
                rates.Add(grains.Rate);
                medians.Add(grains.P50);
                tails.Add(grains.P99);
                ratios.Add(grains.Rate / floor.Rate);
            }
        }

        Array.ForEach(sockets, socket => socket.Dispose());
        var name = $"across silos, {size >> 10} KiB, {InFlight} in flight";
        var limit = Measurement.MedianOf(floors);
        Add($"floor: TCP, {size >> 10} KiB, {InFlight} connections", "calls/s", floors, null, lowerIsBetter: false);
        Add(name, "calls/s", rates, calls, lowerIsBetter: false, limit);
        Add($"{name}: data", "GiB/s", [.. rates.Select(rate => rate * size / (1 << 30))], gibibytes, lowerIsBetter: false, limit * size / (1 << 30));
        Add($"{name}: calls/s over the floor's", "x", ratios, null, lowerIsBetter: false);
        Add($"{name}: p50", "µs", medians, null);
        Add($"{name}: p99", "µs", tails, null);
    }

    private async Task<(double Rate, double P50, double P99)> RateAsync(int size, Func<int, ValueTask> call)
    {
        var times = new long[size > 10_000 ? 20_000 : 100_000];
        var next = -1;
        var start = Stopwatch.GetTimestamp();
        await Task.WhenAll(Enumerable.Range(0, InFlight).Select(worker => Task.Run(
            async () =>
            {
                while (Interlocked.Increment(ref next) is var index && index < times.Length)
                {
                    var sent = Stopwatch.GetTimestamp();
                    await call(worker).ConfigureAwait(false);
                    times[index] = Stopwatch.GetTimestamp() - sent;
                }
            },
            cancellationToken)));
        var rate = times.Length / Stopwatch.GetElapsedTime(start).TotalSeconds;
        Array.Sort(times);
        return (rate, Microseconds(times[times.Length / 2]), Microseconds(times[times.Length * 99 / 100]));
    }

    private async Task StreamAsync(IBenchGrain grain, int port)
    {
        using var floor = new PingPong();
        await floor.ConnectAsync(port, 4 << 10, cancellationToken);
        var bytes = new byte[4 << 10];
        List<double> medians = [], ratios = [];
        for (var run = -1; run < runs; run++)
        {
            await using var items = grain.Items(Calls + 1).WithBatchSize(1).GetAsyncEnumerator(cancellationToken);
            await items.MoveNextAsync();
            var pings = await TimeAsync(() => floor.PingAsync(bytes, cancellationToken));
            var times = await TimeAsync(async () => await items.MoveNextAsync().ConfigureAwait(false));
            if (run >= 0)
            {
                medians.Add(times.P50);
                ratios.Add(times.P50 / pings.P50);
            }
        }

        Add("across silos, streamed items, one a batch: p50", "µs", medians, null);
        Add("across silos, streamed items, one a batch: p50 over the floor of 4 KiB", "x", ratios, 1.9);
    }

    /// <summary>Both silos are in this process here, since they share the directory.</summary>
    private async Task MoveAsync(int size)
    {
        await using var cluster = new InProcessTestClusterBuilder(2).Build();
        await cluster.DeployAsync();
        var grain = await PlaceAsync(cluster.Client, "moves", cluster.Silos[0].SiloAddress);
        List<double> pauses = [];
        for (var run = -1; run < runs; run++)
        {
            var to = cluster.Silos[(run + 2) % 2].SiloAddress;
            await grain.Move(size, to);
            var longest = TimeSpan.Zero;
            var end = Stopwatch.GetTimestamp() + Stopwatch.Frequency;
            while (Stopwatch.GetTimestamp() < end)
            {
                var start = Stopwatch.GetTimestamp();
                await grain.Length([]);
                var waited = Stopwatch.GetElapsedTime(start);
                longest = waited > longest ? waited : longest;
            }

            if (run >= 0)
            {
                pauses.Add(longest.TotalMilliseconds);
            }
        }

        Add($"migration of {size >> 20} MiB under calls, two silos in one process: pause", "ms", pauses, size > 1 << 20 ? 142 : 18);
    }

    private static async Task<(double P50, double P99)> TimeAsync(Func<ValueTask> call)
    {
        var times = new long[Calls];
        for (var index = 0; index < times.Length; index++)
        {
            var start = Stopwatch.GetTimestamp();
            await call().ConfigureAwait(false);
            times[index] = Stopwatch.GetTimestamp() - start;
        }

        Array.Sort(times);
        return (Microseconds(times[times.Length / 2]), Microseconds(times[times.Length * 99 / 100]));
    }

    private static double Microseconds(long ticks) => ticks * 1e6 / Stopwatch.Frequency;

    private void Add(string name, string unit, IReadOnlyList<double> samples, double? target, bool lowerIsBetter = true, double? limit = null) =>
        _measurements.Add(new Measurement { Name = name, Unit = unit, Samples = samples, Target = target, LowerIsBetter = lowerIsBetter, Limit = limit });
}
