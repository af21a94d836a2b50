namespace Orleans
{
    /// <summary>Something that starts and stops in numbered stages.</summary>
    public interface ILifecycleObservable
    {
        /// <summary>Adds an observer to a stage; disposing the result takes it out again.</summary>
        IDisposable Subscribe(string observerName, int stage, ILifecycleObserver observer);
    }

    /// <summary>What runs in a stage: up in rising order, down in falling order.</summary>
    public interface ILifecycleObserver
    {
        /// <summary>On the way up.</summary>
        Task OnStart(CancellationToken cancellationToken = default);

        /// <summary>On the way down.</summary>
        Task OnStop(CancellationToken cancellationToken = default);
    }

    /// <summary>A service that subscribes to a lifecycle when that is made.</summary>
    public interface ILifecycleParticipant<TLifecycleObservable>
        where TLifecycleObservable : ILifecycleObservable
    {
        /// <summary>Subscribes.</summary>
        void Participate(TLifecycleObservable lifecycle);
    }

    /// <summary>Stages of a silo's life.</summary>
    public static class ServiceLifecycleStage
    {
        /// <summary>Before all others.</summary>
        public const int First = int.MinValue;

        /// <summary>The runtime comes up.</summary>
        public const int RuntimeInitialize = 2000;

        /// <summary>The runtime's services.</summary>
        public const int RuntimeServices = 4000;

        /// <summary>Storage of the runtime and the grains.</summary>
        public const int RuntimeStorageServices = 6000;

        /// <summary>Services that grains need.</summary>
        public const int RuntimeGrainServices = 8000;

        /// <summary>Services of the application.</summary>
        public const int ApplicationServices = 10000;

        /// <summary>Just before the silo is active; on the way down, the grains have ended.</summary>
        public const int BecomeActive = Active - 1;

        /// <summary>The silo takes calls; stops first on the way down, while grains still run.</summary>
        public const int Active = 20000;

        /// <summary>After all others.</summary>
        public const int Last = int.MaxValue;
    }

    /// <summary>Subscribing with delegates.</summary>
    public static class LifecycleExtensions
    {
        /// <summary>Adds two delegates to a stage.</summary>
        public static IDisposable Subscribe(
            this ILifecycleObservable observable, string observerName, int stage, Func<CancellationToken, Task> onStart, Func<CancellationToken, Task> onStop)
        {
            ArgumentNullException.ThrowIfNull(observable);
            return observable.Subscribe(observerName, stage, new Delegates(onStart, onStop));
        }

        /// <summary>Adds one delegate to a stage, for the way up.</summary>
        public static IDisposable Subscribe(this ILifecycleObservable observable, string observerName, int stage, Func<CancellationToken, Task> onStart) =>
            observable.Subscribe(observerName, stage, onStart, _ => Task.CompletedTask);

        private sealed class Delegates(Func<CancellationToken, Task> onStart, Func<CancellationToken, Task> onStop) : ILifecycleObserver
        {
            public Task OnStart(CancellationToken cancellationToken) => onStart(cancellationToken);

            public Task OnStop(CancellationToken cancellationToken) => onStop(cancellationToken);
        }
    }
}

namespace Orleans.Runtime
{
    /// <summary>The life of a silo, in the stages of <see cref="ServiceLifecycleStage"/>.</summary>
    public interface ISiloLifecycle : ILifecycleObservable
    {
        /// <summary>The highest stage that has started.</summary>
        int HighestCompletedStage { get; }

        /// <summary>The lowest stage that has stopped.</summary>
        int LowestStoppedStage { get; }
    }

    /// <summary>The life of an activation, in the stages of <see cref="GrainLifecycleStage"/>.</summary>
    public interface IGrainLifecycle : ILifecycleObservable
    {
        /// <summary>Adds one that dehydrates and rehydrates with the activation.</summary>
        void AddMigrationParticipant(IGrainMigrationParticipant participant);

        /// <summary>Takes it out again.</summary>
        void RemoveMigrationParticipant(IGrainMigrationParticipant participant);
    }

    /// <summary>Stages of an activation's life.</summary>
    public static class GrainLifecycleStage
    {
        /// <summary>Before all others.</summary>
        public const int First = int.MinValue;

        /// <summary>Persistent state is read.</summary>
        public const int SetupState = 1000;

        /// <summary>The grain activates.</summary>
        public const int Activate = 2000;

        /// <summary>After all others.</summary>
        public const int Last = int.MaxValue;
    }
}
