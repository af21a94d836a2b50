using System.Diagnostics.Metrics;

namespace Loire.Telemetry;

/// <summary>Everything that Loire measures, on one meter called <see cref="MeterName"/>; a class for each concern. One a process.</summary>
public sealed class LoireMetrics : IDisposable
{
    public const string MeterName = "Loire";

    private readonly Meter _meter = new(MeterName);

    public LoireMetrics()
    {
        Turns = new TurnMetrics(_meter);
        Checkpoints = new CheckpointMetrics(_meter);
        Steps = new StepMetrics(_meter);
        Silo = new SiloMetrics(_meter);
        Moves = new MoveMetrics(_meter);
    }

    public TurnMetrics Turns { get; }

    public CheckpointMetrics Checkpoints { get; }

    public StepMetrics Steps { get; }

    public SiloMetrics Silo { get; }

    public MoveMetrics Moves { get; }

    /// <summary>Whether a meter is this one: several silos of one process have one each.</summary>
    public bool IsOf(Meter meter) => ReferenceEquals(meter, _meter);

    public void Dispose() => _meter.Dispose();
}
