using Loire.Contracts;

namespace Loire.Gateway;

/// <summary>Counts the turns of this gateway. Full means refused, not queued: the replicas have the queue that knows the order.</summary>
internal sealed class AdmissionGate(GatewayOptions options)
{
    private int _inside;

    /// <summary>Turns that are running or waiting for a slot.</summary>
    public int Inside => Volatile.Read(ref _inside);

    /// <summary>A place, given back when disposed.</summary>
    /// <exception cref="ClusterException">None is free.</exception>
    public Place Enter()
    {
        if (Interlocked.Increment(ref _inside) <= options.MaxConcurrentTurns)
        {
            return new Place(this);
        }

        Interlocked.Decrement(ref _inside);
        throw new ClusterException(FailureCode.NoCapacity, $"This gateway runs {options.MaxConcurrentTurns:N0} turns already. Retry in a second.", retryAfter: TimeSpan.FromSeconds(1));
    }

    public readonly struct Place(AdmissionGate gate) : IDisposable
    {
        public void Dispose() => Interlocked.Decrement(ref gate._inside);
    }
}
