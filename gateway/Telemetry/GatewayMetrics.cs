using System.Diagnostics.Metrics;

namespace Loire.Gateway;

/// <summary><c>loire.gateway.*</c>: what clients of this gateway saw.</summary>
internal sealed class GatewayMetrics : IDisposable
{
    public const string MeterName = "Loire.Gateway";

    private readonly Meter _meter = new(MeterName);
    private readonly Counter<long> _wentOn;
    private readonly Counter<long> _givenUp;
    private readonly Counter<long> _failed;
    private readonly Histogram<double> _pause;

    public GatewayMetrics(AdmissionGate gate)
    {
        _wentOn = _meter.CreateCounter<long>("loire.gateway.failovers", description: "Streams that broke inside the cluster and went on.");
        _givenUp = _meter.CreateCounter<long>("loire.gateway.failovers_given_up", description: "Streams that did not go on within the failover's time.");
        _pause = _meter.CreateHistogram<double>("loire.gateway.failover_pause", "ms", "From the break of a stream to its next event.");
        _failed = _meter.CreateCounter<long>("loire.gateway.failures", description: "Requests that were refused or failed, by code.");
        _meter.CreateObservableGauge("loire.gateway.turns", () => gate.Inside, description: "Turns that run or wait for a slot.");
    }

    public void WentOn(TimeSpan pause)
    {
        _wentOn.Add(1);
        _pause.Record(pause.TotalMilliseconds);
    }

    /// <param name="code">As clients see it: one of a few words.</param>
    public void Failed(string code) => _failed.Add(1, new KeyValuePair<string, object?>("code", code));

    public void GivenUp() => _givenUp.Add(1);

    public void Dispose() => _meter.Dispose();
}
