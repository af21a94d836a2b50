using Loire.Silo.Models;

namespace Loire.Silo.Replicas;

/// <summary>How far one replica is with loading, put together from its parts. Safe from any thread.</summary>
public sealed class LoadTracker(string replica, IProgress<LoadStep> report)
{
    private readonly Lock _lock = new();
    private readonly Dictionary<string, double> _parts = [];
    private int _expected = 1;

    /// <summary>0 to 1.</summary>
    public double Fraction
    {
        get
        {
            lock (_lock)
            {
                return _parts.Values.Sum() / Math.Max(_expected, _parts.Count);
            }
        }
    }

    /// <summary>Why the newest attempt failed; null while it has not.</summary>
    public string? Failure { get; private set; }

    /// <summary>Why the replica is not there yet, in one sentence.</summary>
    public string Reason => Failure is { } failure
        ? $"Replica '{replica}' could not be loaded: {failure}"
        : $"Replica '{replica}' is being loaded: {Fraction:P0}.";

    /// <summary>A new attempt, with so many parts to load.</summary>
    public void Begin(int parts)
    {
        lock (_lock)
        {
            _parts.Clear();
            _expected = Math.Max(parts, 1);
            Failure = null;
        }
    }

    public void Fail(string failure) => Failure = failure;

    public IProgress<double> Part(string name) => new PartProgress(this, name);

    private void Report(string part, double fraction)
    {
        lock (_lock)
        {
            _parts[part] = Math.Clamp(fraction, 0, 1);
        }

        report.Report(new LoadStep(replica, part, Fraction));
    }

    private sealed class PartProgress(LoadTracker tracker, string name) : IProgress<double>
    {
        public void Report(double value) => tracker.Report(name, value);
    }
}
