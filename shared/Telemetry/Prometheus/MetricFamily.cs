using System.Diagnostics.Metrics;
using System.Globalization;
using System.Text;

namespace Loire.Telemetry.Prometheus;

internal enum MetricKind
{
    Counter,
    Gauge,
    Histogram,
}

/// <summary>All series of one name. Safe from any thread; a measurement takes one lock and, with labels, makes one string.</summary>
internal sealed class MetricFamily
{
    /// <summary>Further label sets are counted together, as <see cref="Overflow"/>: a label whose values grow without end costs no memory without end.</summary>
    public const int MostSeries = 256;

    public const string Overflow = "overflow=\"true\"";

    private readonly string _name;
    private readonly string _help;
    private readonly double[] _bounds;
    private readonly bool _isObserved;
    private readonly bool _isSet;
    private readonly Lock _lock = new();
    private readonly SortedDictionary<string, Series> _series = new(StringComparer.Ordinal);

    public MetricFamily(string name, MetricKind kind, Instrument first)
    {
        (_name, Kind, _help) = (name, kind, first.Description ?? "");
        _bounds = kind == MetricKind.Histogram ? Buckets.Of(first) : [];
        _isObserved = first.IsObservable;
        _isSet = IsOf(first, typeof(Gauge<>));
    }

    public MetricKind Kind { get; }

    /// <summary>Null for a kind of instrument that is not known.</summary>
    public static MetricKind? KindOf(Instrument instrument) => instrument switch
    {
        _ when MetricSources.IsLevel(instrument) => MetricKind.Gauge,
        _ when IsOf(instrument, typeof(Counter<>)) || IsOf(instrument, typeof(ObservableCounter<>)) => MetricKind.Counter,
        _ when IsOf(instrument, typeof(Histogram<>)) => MetricKind.Histogram,
        _ when IsOf(instrument, typeof(Gauge<>)) || IsOf(instrument, typeof(ObservableGauge<>)) => MetricKind.Gauge,
        _ when IsOf(instrument, typeof(UpDownCounter<>)) || IsOf(instrument, typeof(ObservableUpDownCounter<>)) => MetricKind.Gauge,
        _ => null,
    };

    public void Record(double value, ReadOnlySpan<KeyValuePair<string, object?>> tags)
    {
        var labels = MetricNames.Labels(tags);
        lock (_lock)
        {
            var series = SeriesOf(labels);
            series.Value = _isSet ? value : series.Value + value;
            if (Kind == MetricKind.Histogram)
            {
                series.Buckets[BucketOf(value)]++;
            }
        }
    }

    /// <summary>Before a scrape: what is observed is observed anew, so that what is gone is gone, and two of a name add up.</summary>
    public void Forget()
    {
        if (_isObserved)
        {
            lock (_lock)
            {
                _series.Clear();
            }
        }
    }

    public void WriteTo(StringBuilder text)
    {
        lock (_lock)
        {
            text.Append("# HELP ").Append(_name).Append(' ');
            MetricNames.AppendEscaped(text, _help, quotes: false);
            text.Append("\n# TYPE ").Append(_name).Append(' ').Append(Kind.ToString().ToLowerInvariant()).Append('\n');
            if (_series.Count == 0 && !_isObserved && !_isSet)
            {
                Write(text, "", new Series(_bounds.Length)); // from 0 to 1 is an increase; from nothing to 1 is none
            }

            foreach (var (labels, series) in _series)
            {
                Write(text, labels, series);
            }
        }
    }

    private static bool IsOf(Instrument instrument, Type kind) => instrument.GetType() is { IsGenericType: true } type && type.GetGenericTypeDefinition() == kind;

    private static string Number(double value) => value switch
    {
        double.PositiveInfinity => "+Inf",
        double.NegativeInfinity => "-Inf",
        _ => value.ToString("R", CultureInfo.InvariantCulture),
    };

    private Series SeriesOf(string labels)
    {
        if (_series.TryGetValue(labels, out var series))
        {
            return series;
        }

        if (_series.Count >= MostSeries)
        {
            labels = Overflow;
            if (_series.TryGetValue(labels, out series))
            {
                return series;
            }
        }

        return _series[labels] = new Series(_bounds.Length);
    }

    /// <summary>The first whose bound is not below the value; the last has none.</summary>
    private int BucketOf(double value)
    {
        var index = Array.BinarySearch(_bounds, value);
        return index >= 0 ? index : ~index;
    }

    private void Write(StringBuilder text, string labels, Series series)
    {
        if (Kind != MetricKind.Histogram)
        {
            WriteLine(text, "", labels, Number(series.Value));
            return;
        }

        var below = 0L;
        for (var bucket = 0; bucket <= _bounds.Length; bucket++)
        {
            below += series.Buckets[bucket];
            var bound = bucket < _bounds.Length ? Number(_bounds[bucket]) : "+Inf";
            WriteLine(text, "_bucket", $"{labels}{(labels.Length == 0 ? "" : ",")}le=\"{bound}\"", below.ToString(CultureInfo.InvariantCulture));
        }

        WriteLine(text, "_sum", labels, Number(series.Value));
        WriteLine(text, "_count", labels, below.ToString(CultureInfo.InvariantCulture));
    }

    private void WriteLine(StringBuilder text, string suffix, string labels, string value)
    {
        text.Append(_name).Append(suffix);
        if (labels.Length > 0)
        {
            text.Append('{').Append(labels).Append('}');
        }

        text.Append(' ').Append(value).Append('\n');
    }

    /// <param name="bounds">Of the buckets; one more has no bound.</param>
    private sealed class Series(int bounds)
    {
        /// <summary>Of a histogram: the sum.</summary>
        public double Value { get; set; }

        public long[] Buckets { get; } = new long[bounds + 1];
    }
}
