using System.Diagnostics;
using System.Diagnostics.Metrics;
using System.Text;

namespace Loire.Telemetry.Prometheus;

/// <summary>Listens to meters from its making on, and writes what it heard as Prometheus reads it: text exposition format 0.0.4.</summary>
/// <remarks>
/// Safe from any thread; scrapes wait for each other. Two instruments of one name count together.
/// Memory is bounded: by the instruments that the code has, and by <see cref="MetricFamily.MostSeries"/> label sets for each.
/// </remarks>
public sealed class PrometheusExporter : IDisposable
{
    public const string ContentType = "text/plain; version=0.0.4; charset=utf-8";

    private const string ProcessStarted = "loire_process_started_seconds";
    private const string Failures = "loire_metrics_failures_total";

    private readonly SortedDictionary<string, MetricFamily> _families = new(StringComparer.Ordinal);
    private readonly Lock _lock = new();
    private readonly MeterListener _listener = new();
    private readonly long _started = new DateTimeOffset(Process.GetCurrentProcess().StartTime).ToUnixTimeSeconds();
    private long _failures;

    /// <summary>Listens to all of Loire, and to a little of the runtime.</summary>
    public PrometheusExporter()
        : this(MetricSources.Includes)
    {
    }

    /// <param name="includes">Which instruments are listened to.</param>
    public PrometheusExporter(Func<Instrument, bool> includes)
    {
        _listener.InstrumentPublished = (instrument, listener) =>
        {
            if (includes(instrument) && FamilyOf(instrument) is { } family)
            {
                listener.EnableMeasurementEvents(instrument, family);
            }
        };
        _listener.SetMeasurementEventCallback<byte>(static (_, value, tags, family) => ((MetricFamily)family!).Record(value, tags));
        _listener.SetMeasurementEventCallback<short>(static (_, value, tags, family) => ((MetricFamily)family!).Record(value, tags));
        _listener.SetMeasurementEventCallback<int>(static (_, value, tags, family) => ((MetricFamily)family!).Record(value, tags));
        _listener.SetMeasurementEventCallback<long>(static (_, value, tags, family) => ((MetricFamily)family!).Record(value, tags));
        _listener.SetMeasurementEventCallback<float>(static (_, value, tags, family) => ((MetricFamily)family!).Record(value, tags));
        _listener.SetMeasurementEventCallback<double>(static (_, value, tags, family) => ((MetricFamily)family!).Record(value, tags));
        _listener.SetMeasurementEventCallback<decimal>(static (_, value, tags, family) => ((MetricFamily)family!).Record((double)value, tags));
        _listener.Start();
    }

    /// <summary>Names of what has been published, as they are written; a histogram's without <c>_bucket</c>, <c>_sum</c> and <c>_count</c>.</summary>
    public IReadOnlyList<string> Names
    {
        get
        {
            lock (_lock)
            {
                return [.. _families.Keys, ProcessStarted, Failures];
            }
        }
    }

    /// <summary>One scrape. An instrument that cannot be read is left out, and counted in <c>loire_metrics_failures_total</c>.</summary>
    public string Collect()
    {
        lock (_lock)
        {
            foreach (var family in _families.Values)
            {
                family.Forget();
            }

            try
            {
                _listener.RecordObservableInstruments();
            }
            catch (AggregateException fault)
            {
                _failures += fault.InnerExceptions.Count;
            }

            var text = new StringBuilder(16 << 10);
            foreach (var family in _families.Values)
            {
                family.WriteTo(text);
            }

            text.Append($"# HELP {ProcessStarted} When the process began, in Unix time.\n# TYPE {ProcessStarted} gauge\n{ProcessStarted} {_started}\n")
                .Append($"# HELP {Failures} Instruments that could not be read.\n# TYPE {Failures} counter\n{Failures} {_failures}\n");
            return text.ToString();
        }
    }

    public void Dispose() => _listener.Dispose();

    /// <summary>Null for an instrument whose name another one of another kind has: Prometheus would refuse the whole page.</summary>
    private MetricFamily? FamilyOf(Instrument instrument)
    {
        if (MetricFamily.KindOf(instrument) is not { } kind)
        {
            return null;
        }

        var name = MetricNames.Of(instrument.Name, instrument.Unit, kind == MetricKind.Counter);
        lock (_lock)
        {
            if (!_families.TryGetValue(name, out var family))
            {
                _families[name] = family = new MetricFamily(name, kind, instrument);
            }

            return family.Kind == kind ? family : null;
        }
    }
}
