using System.Diagnostics.Metrics;

namespace Loire.Telemetry.Prometheus;

/// <summary>Which instruments are for operators: all of Loire's, and of the runtime those that explain a slow or a growing process.</summary>
public static class MetricSources
{
    private const string RuntimeMeter = "System.Runtime";

    private static readonly HashSet<string> s_ofRuntime = new(StringComparer.Ordinal)
    {
        "dotnet.process.cpu.time",
        "dotnet.process.memory.working_set",
        "dotnet.gc.collections",
        "dotnet.gc.pause.time",
        "dotnet.gc.heap.total_allocated",
        "dotnet.gc.last_collection.heap.size",
        "dotnet.thread_pool.thread.count",
        "dotnet.thread_pool.queue.length",
        "dotnet.monitor.lock_contentions",
    };

    /// <summary>The runtime publishes these two as counters, though they go down again.</summary>
    public static bool IsLevel(Instrument instrument) =>
        instrument.Meter.Name == RuntimeMeter && instrument.Name is "dotnet.thread_pool.thread.count" or "dotnet.thread_pool.queue.length";

    public static bool Includes(Instrument instrument) =>
        instrument.Meter.Name is LoireMetrics.MeterName || instrument.Meter.Name.StartsWith(LoireMetrics.MeterName + ".", StringComparison.Ordinal)
        || (instrument.Meter.Name == RuntimeMeter && s_ofRuntime.Contains(instrument.Name));
}
