using Orleans;
using Orleans.Runtime;

namespace Loire.Actors;

/// <summary>Observers in numbered stages: started in rising order, stopped in falling order, those of one stage together.</summary>
internal class StagedLifecycle : ILifecycleObservable
{
    private readonly Lock _lock = new();
    private readonly List<Subscription> _subscriptions = [];
    private int _reached = int.MinValue;
    private bool _started;

    public int HighestCompletedStage { get; private set; } = int.MinValue;

    public int LowestStoppedStage { get; private set; } = int.MaxValue;

    public IDisposable Subscribe(string observerName, int stage, ILifecycleObserver observer)
    {
        ArgumentNullException.ThrowIfNull(observer);
        var subscription = new Subscription(this, observerName, stage, observer);
        lock (_lock)
        {
            _subscriptions.Add(subscription);
        }

        return subscription;
    }

    /// <summary>Starts all stages. When one fails, the caller stops what has started.</summary>
    public async Task StartAsync(CancellationToken cancellationToken)
    {
        foreach (var stage in Stages(descending: false))
        {
            cancellationToken.ThrowIfCancellationRequested();
            _reached = stage.Key;
            _started = true;
            await Task.WhenAll(stage.Select(subscription => subscription.Observer.OnStart(cancellationToken)));
            HighestCompletedStage = stage.Key;
        }
    }

    /// <summary>Stops the stages that have started. One that fails is reported and does not keep the others from stopping.</summary>
    public async Task StopAsync(Action<Exception, string> report, CancellationToken cancellationToken)
    {
        if (!_started)
        {
            return;
        }

        foreach (var stage in Stages(descending: true).Where(stage => stage.Key <= _reached))
        {
            foreach (var subscription in stage)
            {
                try
                {
                    await subscription.Observer.OnStop(cancellationToken);
                }
                catch (Exception exception)
                {
                    report(exception, subscription.Name);
                }
            }

            LowestStoppedStage = stage.Key;
        }
    }

    private IGrouping<int, Subscription>[] Stages(bool descending)
    {
        lock (_lock)
        {
            var stages = _subscriptions.GroupBy(subscription => subscription.Stage);
            return [.. descending ? stages.OrderByDescending(stage => stage.Key) : stages.OrderBy(stage => stage.Key)];
        }
    }

    private sealed class Subscription(StagedLifecycle lifecycle, string name, int stage, ILifecycleObserver observer) : IDisposable
    {
        public string Name { get; } = name;

        public int Stage { get; } = stage;

        public ILifecycleObserver Observer { get; } = observer;

        public void Dispose()
        {
            lock (lifecycle._lock)
            {
                lifecycle._subscriptions.Remove(this);
            }
        }
    }
}

/// <summary>The life of one activation, and those that travel with it.</summary>
internal sealed class GrainLifecycle : StagedLifecycle, IGrainLifecycle
{
    private readonly List<IGrainMigrationParticipant> _participants = [];

    public IReadOnlyList<IGrainMigrationParticipant> Participants => _participants;

    public void AddMigrationParticipant(IGrainMigrationParticipant participant) => _participants.Add(participant);

    public void RemoveMigrationParticipant(IGrainMigrationParticipant participant) => _participants.Remove(participant);
}

/// <summary>The life of the silo.</summary>
internal sealed class SiloLifecycle : StagedLifecycle, ISiloLifecycle;
