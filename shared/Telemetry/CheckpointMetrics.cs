using System.Diagnostics.Metrics;

namespace Loire.Telemetry;

/// <summary><c>loire.checkpoint.*</c>: states written to the store and read back.</summary>
public sealed class CheckpointMetrics
{
    private readonly Counter<long> _written;
    private readonly Counter<long> _writtenBytes;
    private readonly Counter<long> _failed;
    private readonly Counter<long> _restored;
    private readonly Counter<long> _refused;
    private readonly Histogram<double> _write;
    private readonly Histogram<double> _read;

    internal CheckpointMetrics(Meter meter)
    {
        _written = meter.CreateCounter<long>("loire.checkpoint.written", description: "Checkpoints stored.");
        _writtenBytes = meter.CreateCounter<long>("loire.checkpoint.written_bytes", "By", "Bytes handed to the store for checkpoints.");
        _failed = meter.CreateCounter<long>("loire.checkpoint.failed", description: "Checkpoints that could not be stored.");
        _restored = meter.CreateCounter<long>("loire.checkpoint.restored", description: "States read from the store.");
        _refused = meter.CreateCounter<long>("loire.checkpoint.refused", description: "States in the store that were damaged or did not match, and were computed anew.");
        _write = meter.CreateHistogram<double>("loire.checkpoint.write", "ms", "Storing one checkpoint, its snapshot excluded.");
        _read = meter.CreateHistogram<double>("loire.checkpoint.read", "ms", "Reading one state from the store.");
    }

    public void Written(long bytes, double milliseconds)
    {
        _written.Add(1);
        _writtenBytes.Add(bytes);
        _write.Record(milliseconds);
    }

    public void Failed() => _failed.Add(1);

    public void Restored(double milliseconds)
    {
        _restored.Add(1);
        _read.Record(milliseconds);
    }

    public void Refused() => _refused.Add(1);
}
