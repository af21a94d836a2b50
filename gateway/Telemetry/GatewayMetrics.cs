using System.Diagnostics.Metrics;

namespace Loire.Gateway;

/// <summary><c>loire.gateway.*</c>: what clients of this gateway saw.</summary>
internal sealed class GatewayMetrics : IDisposable
{
    public const string MeterName = "Loire.Gateway";

    private readonly Meter _meter = new(MeterName);
    private readonly Counter<long> _wentOn;
    private readonly Counter<long> _givenUp;
    private readonly Histogram<double> _pause;

    public GatewayMetrics(AdmissionGate gate)
    {
        _wentOn = _meter.CreateCounter<long>("loire.gateway.failovers", description: "Streams that broke inside the cluster and went on.");
        _givenUp = _meter.CreateCounter<long>("loire.gateway.failovers_given_up", description: "Streams that did not go on within the failover's time.");
        _pause = _meter.CreateHistogram<double>("loire.gateway.failover_pause", "ms", "From the break of a stream to its next event.");
        _meter.CreateObservableGauge("loire.gateway.turns", () => gate.Inside, description: "Turns that run or wait for a slot.");
    }

    public void WentOn(TimeSpan pause)
    {
        _wentOn.Add(1);
        _pause.Record(pause.TotalMilliseconds);
    }

    public void GivenUp() => _givenUp.Add(1);

    public void Dispose() => _meter.Dispose();
}
