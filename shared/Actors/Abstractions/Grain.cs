using System.Diagnostics.CodeAnalysis;
using Microsoft.Extensions.DependencyInjection;
using Orleans.Runtime;

namespace Orleans;

/// <summary>What every grain object has: its context, and the two ends of its life.</summary>
public interface IGrainBase
{
    /// <summary>The activation that this object is the inside of.</summary>
    IGrainContext GrainContext { get; }

    /// <summary>Runs before the first call; when it throws, the activation fails and its callers learn why.</summary>
    Task OnActivateAsync(CancellationToken token) => Task.CompletedTask;

    /// <summary>Runs after the last call, unless the process dies.</summary>
    Task OnDeactivateAsync(DeactivationReason reason, CancellationToken token) => Task.CompletedTask;
}

/// <summary>The base of grain classes. One object is one activation; its code runs one turn at a time.</summary>
public abstract class Grain : IGrainBase, IAddressable
{
    /// <summary>Takes the context from the activation that is being made.</summary>
    protected Grain()
        : this(RuntimeContext.Current!)
    {
    }

    /// <summary>Takes the context explicitly, for tests without a silo.</summary>
    protected Grain(IGrainContext grainContext) => GrainContext = grainContext;

    /// <inheritdoc/>
    [AllowNull]
    public IGrainContext GrainContext { get; }

    /// <summary>A reference to this grain, to hand to others.</summary>
    public GrainReference GrainReference => GrainContext.GrainReference;

    /// <summary>The grain's identity as text.</summary>
    public string IdentityString => GrainContext?.GrainId.ToString() ?? "";

    /// <summary>The silo that hosts this activation, as text.</summary>
    public string RuntimeIdentity => GrainContext?.Address.SiloAddress?.ToString() ?? "";

    /// <summary>Makes references to other grains.</summary>
    protected IGrainFactory GrainFactory => ServiceProvider.GetRequiredService<IGrainFactory>();

    /// <summary>The services of this activation.</summary>
    protected internal IServiceProvider ServiceProvider => GrainContext.ActivationServices;

    /// <inheritdoc/>
    public virtual Task OnActivateAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    /// <inheritdoc/>
    public virtual Task OnDeactivateAsync(DeactivationReason reason, CancellationToken cancellationToken) => Task.CompletedTask;

    /// <summary>Ends this activation once the running calls are done; the next call makes a new one.</summary>
    protected void DeactivateOnIdle() => GrainBaseExtensions.DeactivateOnIdle(this);

    /// <summary>Moves this activation once the running calls are done, to the silo that placement or its hint names.</summary>
    protected void MigrateOnIdle() => GrainBaseExtensions.MigrateOnIdle(this);

    /// <summary>Keeps this activation from being collected for <paramref name="timeSpan"/>; zero or less takes that back.</summary>
    protected void DelayDeactivation(TimeSpan timeSpan) => GrainContext.Activation().DelayDeactivation(timeSpan);
}
