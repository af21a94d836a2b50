#pragma warning disable
using Microsoft.Extensions.DependencyInjection;
using Orleans;
using Orleans.Runtime;
using Orleans.Storage;
namespace Orleans.Runtime { public abstract class GrainReference : IAddressable { public GrainId GrainId { get; } public T Cast<T>() => throw new NotSupportedException(); } }
namespace Loire.Actors
{
    internal abstract class Activation : IGrainContext
    {
        public abstract GrainReference GrainReference { get; }
        public abstract GrainId GrainId { get; }
        public abstract object? GrainInstance { get; }
        public abstract ActivationId ActivationId { get; }
        public abstract GrainAddress Address { get; }
        public abstract IServiceProvider ActivationServices { get; }
        public abstract IGrainLifecycle ObservableLifecycle { get; }
        public abstract Task Deactivated { get; }
        public abstract void Deactivate(DeactivationReason deactivationReason, CancellationToken cancellationToken = default);
        public abstract void Migrate(Dictionary<string, object>? requestContext, CancellationToken cancellationToken = default);
        public abstract void DelayDeactivation(TimeSpan t);
        public abstract void EnterReentrantSection(Guid id);
        public abstract void LeaveReentrantSection(Guid id);
    }
    internal static class GrainTimer { public static IGrainTimer Register(Activation a, Func<CancellationToken, Task> c, GrainTimerCreationOptions o) => throw new NotSupportedException(); }
    internal static class SiloServices { public static void Add(IServiceCollection s) { } }
    internal static class ClientServices { public static void Add(IServiceCollection s) { } }
    internal sealed class MemoryGrainStorage : IGrainStorage
    {
        public Task ReadStateAsync<T>(string stateName, GrainId grainId, IGrainState<T> grainState) => throw new NotSupportedException();
        public Task WriteStateAsync<T>(string stateName, GrainId grainId, IGrainState<T> grainState) => throw new NotSupportedException();
        public Task ClearStateAsync<T>(string stateName, GrainId grainId, IGrainState<T> grainState) => throw new NotSupportedException();
    }
}
