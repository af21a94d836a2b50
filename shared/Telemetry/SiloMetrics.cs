using System.Diagnostics.Metrics;

namespace Loire.Telemetry;

/// <summary>One silo at one moment.</summary>
public readonly record struct SiloReading(int Sessions, int Turns, bool Ready);

/// <summary><c>loire.silo.*</c>: what this process carries, read when somebody listens.</summary>
public sealed class SiloMetrics
{
    private Func<SiloReading>? _read;

    internal SiloMetrics(Meter meter)
    {
        meter.CreateObservableGauge("loire.silo.sessions", () => Each(reading => reading.Sessions), description: "Sessions whose grains are on this silo.");
        meter.CreateObservableGauge("loire.silo.turns", () => Each(reading => reading.Turns), description: "Turns that run on this silo.");
        meter.CreateObservableGauge("loire.silo.ready", () => Each(reading => reading.Ready ? 1 : 0), description: "1 when this silo serves its default model and does not drain.");
    }

    /// <summary>Says where readings come from. Without, there are none: the process is no silo.</summary>
    public void ReadFrom(Func<SiloReading> read) => _read = read;

    private IEnumerable<Measurement<int>> Each(Func<SiloReading, int> value) => _read is { } read ? [new Measurement<int>(value(read()))] : [];
}
