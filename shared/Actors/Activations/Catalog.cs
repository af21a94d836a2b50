using System.Collections.Concurrent;
using Loire.Actors.Manifest;
using Orleans;
using Orleans.Runtime;

namespace Loire.Actors;

/// <summary>All activations of this silo.</summary>
internal sealed class Catalog(SiloRuntime runtime)
{
    private readonly ConcurrentDictionary<GrainId, Activation> _activations = new();
    private readonly ConcurrentDictionary<GrainId, WorkerPool> _workers = new();

    /// <summary>From now on, no grain activates.</summary>
    public bool IsClosed { get; private set; }

    public IEnumerable<Activation> All => _activations.Values.Concat(_workers.Values.SelectMany(pool => pool.All));

    public Activation? Find(GrainId grainId) => _activations.GetValueOrDefault(grainId);

    /// <summary>The grain's activation, made if there is none. For a stateless worker, the one with the least to do.</summary>
    /// <exception cref="SiloUnavailableException">There is none and the silo stops.</exception>
    public Activation GetOrAdd(GrainClass grainClass, GrainId grainId, Dictionary<string, object>? context)
    {
        if (grainClass.Placement is StatelessWorkerPlacement workers)
        {
            while (true)
            {
                var pool = _workers.GetOrAdd(grainId, static (_, limit) => new WorkerPool(limit), workers.MaxLocal);
                if (pool.Pick(() => Begin(grainClass, grainId, context)) is { } worker)
                {
                    return worker;
                }

                _workers.TryRemove(new(grainId, pool));
            }
        }

        if (_activations.TryGetValue(grainId, out var found))
        {
            return found;
        }

        ThrowIfClosed(grainId);
        var made = new Activation(runtime, grainClass, grainId, new ActivationOrigin(context, null));
        var kept = _activations.GetOrAdd(grainId, made);
        if (ReferenceEquals(kept, made))
        {
            made.Begin();
        }

        return kept;
    }

    public bool TryAdd(Activation activation) => _activations.TryAdd(activation.GrainId, activation);

    public void Remove(Activation activation) => Replace(activation, successor: null);

    /// <summary>Puts the successor in the activation's place in one step, so that no call makes a third.</summary>
    public void Replace(Activation activation, Activation? successor)
    {
        if (_workers.TryGetValue(activation.GrainId, out var pool))
        {
            if (pool.Remove(activation))
            {
                _workers.TryRemove(new(activation.GrainId, pool));
            }
        }
        else if (successor is null)
        {
            _activations.TryRemove(new(activation.GrainId, activation));
        }
        else
        {
            _activations.TryUpdate(activation.GrainId, successor, activation);
        }
    }

    /// <summary>Closes without ending anything.</summary>
    public void Crash() => IsClosed = true;

    /// <summary>Ends all activations, within the time that the token leaves.</summary>
    public async Task CloseAsync(CancellationToken cancellationToken)
    {
        IsClosed = true;
        var reason = new DeactivationReason(DeactivationReasonCode.ShuttingDown, "The silo stops.");
        try
        {
            // Again while there are any: one may have begun just before the catalog closed, or follow one that moved.
            while (All.ToArray() is { Length: > 0 } activations)
            {
                foreach (var activation in activations)
                {
                    activation.Deactivate(reason, cancellationToken);
                }

                await Task.WhenAll(activations.Select(activation => activation.Deactivated)).WaitAsync(cancellationToken);
            }
        }
        catch (OperationCanceledException)
        {
            runtime.Log.StoppedWithActivations(All.Count());
        }
    }

    private Activation Begin(GrainClass grainClass, GrainId grainId, Dictionary<string, object>? context)
    {
        ThrowIfClosed(grainId);
        var made = new Activation(runtime, grainClass, grainId, new ActivationOrigin(context, null));
        made.Begin();
        return made;
    }

    private void ThrowIfClosed(GrainId grainId)
    {
        if (IsClosed)
        {
            throw new SiloUnavailableException($"{grainId} is not active, and {runtime.Address} stops: it activates no more grains.");
        }
    }

    /// <summary>The workers of one stateless grain id.</summary>
    private sealed class WorkerPool(int limit)
    {
        private readonly List<Activation> _workers = [];
        private bool _closed;

        public Activation[] All
        {
            get
            {
                lock (_workers)
                {
                    return [.. _workers];
                }
            }
        }

        /// <summary>The worker with the least to do; null when the last one has left and the pool with it.</summary>
        public Activation? Pick(Func<Activation> make)
        {
            lock (_workers)
            {
                if (_closed)
                {
                    return null;
                }

                var best = _workers.MinBy(Load);
                if (best is not null && (Load(best) == 0 || _workers.Count >= limit))
                {
                    return best;
                }

                var made = make();
                _workers.Add(made);
                return made;
            }
        }

        /// <summary>Removes a worker; true when it was the last one: the pool is not used again.</summary>
        public bool Remove(Activation worker)
        {
            lock (_workers)
            {
                _workers.Remove(worker);
                return _closed = _workers.Count == 0;
            }
        }

        private static int Load(Activation worker)
        {
            var (waiting, running, _) = worker.Depth();
            return waiting + running;
        }
    }
}
