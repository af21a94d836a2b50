using System.Diagnostics.Metrics;
using Microsoft.Extensions.Hosting;

namespace Loire.Store.Redis;

/// <summary><c>loire.redis.*</c> on the meter <see cref="MeterName"/>: how Redis was when it was last asked, which happens every <see cref="Every"/>.</summary>
internal sealed class RedisHealthMeter : BackgroundService
{
    public const string MeterName = "Loire.Store.Redis";

    /// <summary>One INFO each: some 50 µs of the server.</summary>
    private static readonly TimeSpan Every = TimeSpan.FromSeconds(5);

    private readonly RedisStore _store;
    private readonly TimeProvider _time;
    private readonly Meter _meter = new(MeterName);
    private volatile RedisHealth? _last;

    public RedisHealthMeter(RedisStore store, TimeProvider time)
    {
        (_store, _time) = (store, time);
        Gauge("loire.redis.reachable", null, "1 when Redis answered the last look.", health => health.IsReachable ? 1 : 0);
        Gauge("loire.redis.latency", "ms", "Round trip of the last look, or the wait that ended without one.", health => health.Latency.TotalMilliseconds);
        Gauge("loire.redis.memory", "By", "Memory that Redis uses.", health => health.UsedMemoryBytes);
        Gauge("loire.redis.memory_limit", "By", "Redis' maxmemory; none when it has no bound.", health => health.MaxMemoryBytes);
        Gauge("loire.redis.replicas", null, "Replicas that follow the primary.", health => health.ConnectedReplicas);
        _meter.CreateObservableCounter("loire.redis.reconnects", () => _last?.Reconnects ?? 0, description: "Connections of the store that failed and were replaced.");
    }

    /// <summary>For tests: whether an instrument is this one's, and not another store's in the process.</summary>
    internal bool Owns(Instrument instrument) => ReferenceEquals(instrument.Meter, _meter);

    public override void Dispose()
    {
        _meter.Dispose();
        base.Dispose();
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(Every, _time);
        try
        {
            do
            {
                _last = await _store.GetHealthAsync(stoppingToken);
            }
            while (await timer.WaitForNextTickAsync(stoppingToken));
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // The process stops.
        }
    }

    /// <summary>What is not known is not written.</summary>
    private void Gauge(string name, string? unit, string description, Func<RedisHealth, double?> value) =>
        _meter.CreateObservableGauge(name, () => _last is { } health && value(health) is { } known ? new[] { new Measurement<double>(known) } : [], unit, description);
}
