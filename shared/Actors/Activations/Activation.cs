using Loire.Actors.Calls;
using Loire.Actors.Manifest;
using Microsoft.Extensions.DependencyInjection;
using Orleans;
using Orleans.Runtime;

namespace Loire.Actors;

/// <summary>Where an activation is in its life; it only moves forward.</summary>
internal enum ActivationState
{
    /// <summary>Registers, is made, reads its state, activates. Calls wait.</summary>
    Activating,

    /// <summary>Takes calls.</summary>
    Valid,

    /// <summary>Waits for its running calls, then cleans up. New calls wait, and go to its successor.</summary>
    Deactivating,

    /// <summary>Takes nothing any more.</summary>
    Ended,
}

/// <summary>One activation of a grain: its object, its mailbox, its scheduler and its life.</summary>
/// <remarks>
/// Parts: <c>Mailbox</c> says which call may start, <c>Scheduling</c> runs turns one after another on the thread pool,
/// <c>Life</c> begins and ends it, <c>Streams</c> holds the enumerations that readers pull from.
/// One lock guards all lists and the state; no other lock is taken, and no foreign code runs, under it.
/// </remarks>
internal sealed partial class Activation : IGrainContext, IThreadPoolWorkItem
{
    private readonly Lock _lock = new();
    private readonly WeakReference<object>? _observer;
    private readonly TaskCompletionSource _deactivated = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly GrainLifecycle _lifecycle = new();
    private AsyncServiceScope? _services;
    private GrainReference? _reference;
    private ActivationState _state;

    /// <summary>Makes an activation that is about to begin.</summary>
    public Activation(SiloRuntime runtime, GrainClass grainClass, GrainId grainId, ActivationOrigin? origin)
    {
        Runtime = runtime;
        Class = grainClass;
        GrainId = grainId;
        Origin = origin;
        ActivationId = ActivationId.NewId();
        Scheduler = new ActivationScheduler(this);
        Touch();
    }

    /// <summary>Makes the activation behind an observer reference: valid at once, its object held weakly.</summary>
    public Activation(SiloRuntime runtime, GrainId grainId, object observer)
        : this(runtime, GrainClass.Observer, grainId, origin: null)
    {
        _observer = new WeakReference<object>(observer);
        _state = ActivationState.Valid;
    }

    public SiloRuntime Runtime { get; }

    public GrainClass Class { get; }

    public GrainId GrainId { get; }

    public ActivationId ActivationId { get; }

    /// <summary>What it takes over from the activation before it; null for most.</summary>
    public ActivationOrigin? Origin { get; private set; }

    public object? GrainInstance { get; private set; }

    public GrainAddress Address => new() { GrainId = GrainId, ActivationId = ActivationId, SiloAddress = Runtime.Address };

    public GrainReference GrainReference => _reference ??= Runtime.References.CreateFor(this);

    /// <summary>The grain on the wire.</summary>
    public byte[] WireId => field ??= Transport.CallHead.WireIdOf(GrainId);

    public IServiceProvider ActivationServices => _services?.ServiceProvider ?? Runtime.Services;

    public IGrainLifecycle ObservableLifecycle => _lifecycle;

    public Task Deactivated => _deactivated.Task;

    public ActivationState State
    {
        get
        {
            lock (_lock)
            {
                return _state;
            }
        }
    }

    public IIncomingGrainCallFilter[] Filters => Runtime.Filters;

    public bool HasFilters => Filters.Length > 0 || Class.IsFilter;

    /// <summary>The observer's or the grain's object; null when the observer was collected.</summary>
    private object? Target => _observer is null ? GrainInstance : _observer.TryGetTarget(out var target) ? target : null;

    public override string ToString() => $"{GrainId}{ActivationId}";

    public void LogLateFailure(Request request, Exception exception) => Runtime.Log.FailedAfterAnswer(exception, request.Method.ToString(), GrainId);
}

/// <summary>What a new activation takes over: the request context that began it, the values of the one before it, and that one's place in the directory.</summary>
internal sealed record ActivationOrigin(Dictionary<string, object>? Context, IRehydrationContext? Rehydration, GrainAddress? Previous = null);
