using Loire.Actors;
using Loire.Actors.Calls;
using Loire.Actors.Transport;

namespace Orleans.Runtime;

/// <summary>Names a grain and sends calls to it. Generated code derives one class a grain interface.</summary>
public abstract class GrainReference : IAddressable, IEquatable<GrainReference>
{
    private readonly SiloRuntime _runtime;
    private Activation? _last;

    /// <summary>Makes a reference; only the runtime has what it takes.</summary>
    protected GrainReference(ReferenceBinding binding)
    {
        _runtime = binding.Runtime;
        GrainId = binding.GrainId;
    }

    /// <summary>The grain.</summary>
    public GrainId GrainId { get; }

    internal SiloRuntime Runtime => _runtime;

    /// <summary>The activation that took the last call, so that the next one needs no look-up.</summary>
    internal Activation? LastActivation
    {
        get => _last;
        set => _last = value;
    }

    /// <summary>The link that took the last call, if the grain is in another process.</summary>
    internal Link? LastLink { get; set; }

    /// <summary>The grain on the wire.</summary>
    internal byte[] WireId => field ??= CallHead.WireIdOf(GrainId);

    /// <summary>A reference to the same grain through another of its interfaces.</summary>
    public TGrainInterface Cast<TGrainInterface>() =>
        this is TGrainInterface same ? same : (TGrainInterface)(object)_runtime.References.Create(typeof(TGrainInterface), GrainId);

    /// <inheritdoc/>
    public bool Equals(GrainReference? other) => other is not null && GrainId == other.GrainId;

    /// <inheritdoc/>
    public override bool Equals(object? obj) => Equals(obj as GrainReference);

    /// <inheritdoc/>
    public override int GetHashCode() => GrainId.GetHashCode();

    /// <inheritdoc/>
    public override string ToString() => $"GrainReference:{GrainId}";

    /// <summary>Sends a call and gives its answer as a task.</summary>
    protected Task<T> Call<T>(Request<T> request)
    {
        var task = request.OpenAsTask();
        _runtime.Send(this, request);
        return task;
    }

    /// <summary>Sends a call and gives its answer without allocating.</summary>
    protected ValueTask<T> CallValue<T>(Request<T> request)
    {
        var task = request.OpenAsValueTask();
        _runtime.Send(this, request);
        return task;
    }

    /// <summary>Sends a call and gives its end without allocating.</summary>
    protected ValueTask CallVoid(VoidRequest request)
    {
        var task = request.OpenAsVoidValueTask();
        _runtime.Send(this, request);
        return task;
    }

    /// <summary>Sends a call that nobody waits for.</summary>
    protected void CallOneWay(VoidRequest request)
    {
        request.OpenOneWay();
        _runtime.Send(this, request);
    }
}

/// <summary>What ties a reference to its grain and to the silo; opaque to generated code.</summary>
public readonly struct ReferenceBinding
{
    internal ReferenceBinding(SiloRuntime runtime, GrainId grainId)
    {
        Runtime = runtime;
        GrainId = grainId;
    }

    internal SiloRuntime Runtime { get; }

    internal GrainId GrainId { get; }
}
