using System.Diagnostics.Metrics;

namespace Loire.Telemetry;

/// <summary><c>loire.move.*</c>: sessions that leave this silo for another one, and the states that go with them.</summary>
public sealed class MoveMetrics
{
    private readonly Counter<long> _left;
    private readonly Counter<long> _sent;
    private readonly Counter<long> _sentBytes;
    private readonly Counter<long> _refused;
    private readonly Counter<long> _taken;
    private readonly Counter<long> _takenBytes;
    private readonly Counter<long> _sharedBytes;
    private readonly Counter<long> _balanced;
    private readonly Histogram<double> _pause;
    private readonly Histogram<double> _transfer;

    internal MoveMetrics(Meter meter)
    {
        _left = meter.CreateCounter<long>("loire.move.sessions", description: "Sessions that left for another silo, by how their state gets there.");
        _sent = meter.CreateCounter<long>("loire.move.sent", description: "States that went to another silo over a link.");
        _sentBytes = meter.CreateCounter<long>("loire.move.sent_bytes", "By", "Recurrent state and keys and values sent to other silos.");
        _refused = meter.CreateCounter<long>("loire.move.refused", description: "States that could not go over a link, and are read from the store.");
        _taken = meter.CreateCounter<long>("loire.move.taken", description: "States that came from another silo over a link.");
        _takenBytes = meter.CreateCounter<long>("loire.move.taken_bytes", "By", "Recurrent state and keys and values that came from other silos.");
        _sharedBytes = meter.CreateCounter<long>("loire.move.shared_bytes", "By", "Keys and values that did not have to come, because they were here.");
        _balanced = meter.CreateCounter<long>("loire.move.balanced", description: "Sessions among those that left which left to even out the load.");
        _pause = meter.CreateHistogram<double>("loire.move.pause", "ms", "How long a session that left could run no turn before it was let go.");
        _transfer = meter.CreateHistogram<double>("loire.move.transfer", "ms", "Fetching one state from another silo.");
    }

    public void Left(string via, double pauseMilliseconds)
    {
        _left.Add(1, new KeyValuePair<string, object?>("via", via));
        _pause.Record(pauseMilliseconds);
    }

    public void Sent(long bytes)
    {
        _sent.Add(1);
        _sentBytes.Add(bytes);
    }

    public void Refused() => _refused.Add(1);

    public void Taken(long bytes, long sharedBytes, double milliseconds)
    {
        _taken.Add(1);
        _takenBytes.Add(bytes);
        _sharedBytes.Add(sharedBytes);
        _transfer.Record(milliseconds);
    }

    public void Balanced() => _balanced.Add(1);
}
