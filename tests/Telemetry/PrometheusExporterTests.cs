using System.Diagnostics.Metrics;
using System.Globalization;
using System.Text.RegularExpressions;
using Loire.Telemetry.Prometheus;

namespace Loire.Telemetry.Tests;

public sealed partial class PrometheusExporterTests : IDisposable
{
    private readonly Meter _meter = new("Loire.Telemetry.Tests");
    private readonly PrometheusExporter _exporter;

    public PrometheusExporterTests() => _exporter = new PrometheusExporter(instrument => ReferenceEquals(instrument.Meter, _meter));

    public void Dispose()
    {
        _exporter.Dispose();
        _meter.Dispose();
    }

    [Fact]
    public void A_counter_is_there_with_zero_before_anything_happened()
    {
        var counter = _meter.CreateCounter<long>("loire.lease.lost", description: "Leases lost.");
        var before = _exporter.Collect();
        counter.Add(2);
        counter.Add(1);

        Assert.StartsWith("# HELP loire_lease_lost_total Leases lost.\n# TYPE loire_lease_lost_total counter\nloire_lease_lost_total 0\n", before, StringComparison.Ordinal);
        Assert.Contains("\nloire_lease_lost_total 3\n", _exporter.Collect(), StringComparison.Ordinal);
    }

    [Fact]
    public void A_histogram_counts_upwards_to_its_last_bucket()
    {
        var histogram = _meter.CreateHistogram<double>("loire.turn.first_token", "ms");
        foreach (var value in new[] { 0.1, 1, 1.5, 40_000 })
        {
            histogram.Record(value);
        }

        var lines = _exporter.Collect().Split('\n');

        Assert.Contains("# TYPE loire_turn_first_token_milliseconds histogram", lines);
        Assert.Contains("loire_turn_first_token_milliseconds_bucket{le=\"0.25\"} 1", lines);
        Assert.Contains("loire_turn_first_token_milliseconds_bucket{le=\"1\"} 2", lines); // a bound belongs to its bucket
        Assert.Contains("loire_turn_first_token_milliseconds_bucket{le=\"2.5\"} 3", lines);
        Assert.Contains("loire_turn_first_token_milliseconds_bucket{le=\"30000\"} 3", lines);
        Assert.Contains("loire_turn_first_token_milliseconds_bucket{le=\"+Inf\"} 4", lines);
        Assert.Contains("loire_turn_first_token_milliseconds_sum 40002.6", lines);
        Assert.Contains("loire_turn_first_token_milliseconds_count 4", lines);
    }

    [Fact]
    public void An_instrument_has_the_buckets_that_it_advises()
    {
        var histogram = _meter.CreateHistogram("loire.sizes", null, null, null, new InstrumentAdvice<long> { HistogramBucketBoundaries = [7, 70] });
        histogram.Record(8);

        Assert.Contains("loire_sizes_bucket{le=\"7\"} 0\nloire_sizes_bucket{le=\"70\"} 1\nloire_sizes_bucket{le=\"+Inf\"} 1\n", _exporter.Collect(), StringComparison.Ordinal);
    }

    [Fact]
    public void What_is_observed_is_as_of_the_scrape_and_what_is_gone_is_gone()
    {
        Measurement<int>[] now = [new(3, Tag("replica", "a")), new(4, Tag("replica", "b"))];
        _meter.CreateObservableGauge("loire.slots", () => now);
        var first = _exporter.Collect();
        now = [new(5, Tag("replica", "b"))];
        var second = _exporter.Collect();

        Assert.Contains("loire_slots{replica=\"a\"} 3\nloire_slots{replica=\"b\"} 4\n", first, StringComparison.Ordinal);
        Assert.DoesNotContain("replica=\"a\"", second, StringComparison.Ordinal);
        Assert.Contains("loire_slots{replica=\"b\"} 5\n", second, StringComparison.Ordinal);
    }

    [Fact]
    public void A_gauge_is_set_and_an_up_down_counter_goes_both_ways()
    {
        var gauge = _meter.CreateGauge<long>("loire.memory", "By");
        var inside = _meter.CreateUpDownCounter<int>("loire.inside");
        gauge.Record(10);
        gauge.Record(7);
        inside.Add(3);
        inside.Add(-1);
        var text = _exporter.Collect();

        Assert.Contains("# TYPE loire_memory_bytes gauge\nloire_memory_bytes 7\n", text, StringComparison.Ordinal);
        Assert.Contains("# TYPE loire_inside gauge\nloire_inside 2\n", text, StringComparison.Ordinal);
    }

    [Fact]
    public void Labels_are_escaped_and_their_order_does_not_matter()
    {
        var counter = _meter.CreateCounter<int>("loire.failures");
        counter.Add(1, Tag("code", "a\"b\\c\nd"), Tag("at.place", null));
        counter.Add(1, Tag("at.place", null), Tag("code", "a\"b\\c\nd"));

        Assert.Contains("loire_failures_total{at_place=\"\",code=\"a\\\"b\\\\c\\nd\"} 2\n", _exporter.Collect(), StringComparison.Ordinal);
    }

    [Fact]
    public void Label_sets_beyond_the_bound_are_counted_together()
    {
        var counter = _meter.CreateCounter<int>("loire.failures");
        for (var code = 0; code < 1000; code++)
        {
            counter.Add(1, Tag("code", code));
        }

        var lines = _exporter.Collect().Split('\n').Where(line => line.StartsWith("loire_failures_total{", StringComparison.Ordinal)).ToArray();

        Assert.Equal(257, lines.Length);
        Assert.Contains("loire_failures_total{overflow=\"true\"} 744", lines);
        Assert.Equal(1000, lines.Sum(line => int.Parse(line[(line.LastIndexOf(' ') + 1)..], CultureInfo.InvariantCulture)));
    }

    [Fact]
    public void A_long_label_is_cut()
    {
        _meter.CreateCounter<int>("loire.failures").Add(1, Tag("code", new string('x', 100_000)));

        Assert.Contains($"code=\"{new string('x', MetricNames.MostValueLength)}\"", _exporter.Collect(), StringComparison.Ordinal);
    }

    [Fact]
    public void An_instrument_that_cannot_be_read_costs_only_itself()
    {
        _meter.CreateObservableGauge("loire.broken", int () => throw new InvalidOperationException("no"));
        _meter.CreateObservableGauge("loire.sound", () => 1);
        var text = _exporter.Collect();

        Assert.Contains("loire_sound 1\n", text, StringComparison.Ordinal);
        Assert.Contains("loire_metrics_failures_total 1\n", text, StringComparison.Ordinal);
    }

    [Fact]
    public void Of_two_kinds_with_one_name_the_first_is_kept_and_two_of_a_kind_add_up()
    {
        _meter.CreateCounter<int>("loire.things").Add(1);
        _meter.CreateCounter<long>("loire.things").Add(2);
        _meter.CreateUpDownCounter<int>("loire.things.total").Add(40);
        var text = _exporter.Collect();

        Assert.Contains("loire_things_total 3\n", text, StringComparison.Ordinal);
        Assert.Single(TypeLine().Matches(text), match => match.Groups["name"].Value == "loire_things_total");
    }

    [Fact]
    public async Task Nothing_is_lost_when_many_threads_count_and_others_scrape()
    {
        const int Threads = 8, Each = 20_000;
        var counter = _meter.CreateCounter<long>("loire.events");
        var histogram = _meter.CreateHistogram<double>("loire.durations", "ms");
        using var start = new Barrier(Threads + 1);
        var counting = Enumerable.Range(0, Threads).Select(thread => Task.Factory.StartNew(
            () =>
            {
                start.SignalAndWait();
                for (var i = 0; i < Each; i++)
                {
                    counter.Add(1, Tag("thread", thread % 3));
                    histogram.Record(i % 50);
                }
            }, TaskCreationOptions.LongRunning)).ToArray();
        start.SignalAndWait();
        var all = Task.WhenAll(counting);
        do
        {
            AssertWellFormed(_exporter.Collect());
        }
        while (!all.IsCompleted);
        await all;
        var text = _exporter.Collect();

        var counted = CounterLine().Matches(text).Sum(match => long.Parse(match.Groups["value"].Value, CultureInfo.InvariantCulture));
        Assert.Equal(Threads * Each, counted);
        Assert.Contains($"loire_durations_milliseconds_count {Threads * Each}\n", text, StringComparison.Ordinal);
    }

    [Fact]
    public void All_of_Loire_and_a_little_of_the_runtime_are_exported()
    {
        using var metrics = new LoireMetrics();
        using var exporter = new PrometheusExporter();
        metrics.Turns.Finished("stop", 3, 12, 30);
        metrics.Turns.Failed("no_capacity");
        metrics.Silo.ReadFrom(() => new SiloReading(Sessions: 4, Turns: 2, Ready: true));
        GC.Collect();
        var text = exporter.Collect();

        AssertWellFormed(text);
        Assert.Contains("loire_turn_failed_total{code=\"no_capacity\"} 1\n", text, StringComparison.Ordinal);
        Assert.Contains("loire_turn_first_token_milliseconds_count 1\n", text, StringComparison.Ordinal);
        Assert.Contains("loire_silo_sessions 4\n", text, StringComparison.Ordinal);
        Assert.Contains("dotnet_process_memory_working_set_bytes ", text, StringComparison.Ordinal);
        Assert.Contains("\ndotnet_thread_pool_thread_count ", text, StringComparison.Ordinal);
        Assert.Contains("dotnet_gc_collections_total{", text, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("loire.turn.first_token", "ms", false, "loire_turn_first_token_milliseconds")]
    [InlineData("loire.checkpoint.written_bytes", "By", true, "loire_checkpoint_written_bytes_total")]
    [InlineData("loire.store.bytes", "By", false, "loire_store_bytes")]
    [InlineData("dotnet.gc.collections", "{collection}", true, "dotnet_gc_collections_total")]
    [InlineData("9 lives", null, false, "_9_lives")]
    public void Names_are_Prometheus_names_with_unit_and_total(string name, string? unit, bool isCounter, string expected) =>
        Assert.Equal(expected, MetricNames.Of(name, unit, isCounter));

    private static KeyValuePair<string, object?> Tag(string name, object? value) => new(name, value);

    /// <summary>Every line is a comment or a sample, and no sample is there twice.</summary>
    private static void AssertWellFormed(string text)
    {
        Assert.EndsWith("\n", text, StringComparison.Ordinal);
        var lines = text.Split('\n')[..^1];
        Assert.All(lines, line => Assert.Matches(Line(), line));
        var samples = lines.Where(line => line[0] != '#').Select(line => line[..line.LastIndexOf(' ')]).ToArray();
        Assert.Equal(samples.Length, samples.Distinct().Count());
    }

    [GeneratedRegex("""^(# (HELP|TYPE) [a-z_0-9A-Z:]+ .*|[a-zA-Z_:][a-zA-Z0-9_:]*(\{([a-zA-Z_][a-zA-Z0-9_]*="(\\[\\n"]|[^"\\])*",?)*\})? (-?[0-9.]+(E[+-]?[0-9]+)?|[+-]Inf|NaN))$""")]
    private static partial Regex Line();

    [GeneratedRegex("^loire_events_total\\{.*\\} (?<value>[0-9]+)$", RegexOptions.Multiline)]
    private static partial Regex CounterLine();

    [GeneratedRegex("^# TYPE (?<name>\\S+)", RegexOptions.Multiline)]
    private static partial Regex TypeLine();
}
