using System.Globalization;
using Orleans;
using Orleans.Runtime;

namespace Loire.Actors;

/// <summary>Makes references, with the classes that were generated for the interfaces.</summary>
internal sealed class ReferenceFactory(SiloRuntime runtime) : IGrainFactory
{
    public TGrainInterface GetGrain<TGrainInterface>(string primaryKey, string? grainClassNamePrefix = null)
        where TGrainInterface : IGrainWithStringKey
    {
        ArgumentException.ThrowIfNullOrEmpty(primaryKey);
        return Create<TGrainInterface>(primaryKey, grainClassNamePrefix);
    }

    public TGrainInterface GetGrain<TGrainInterface>(long primaryKey, string? grainClassNamePrefix = null)
        where TGrainInterface : IGrainWithIntegerKey =>
        Create<TGrainInterface>(primaryKey.ToString(CultureInfo.InvariantCulture), grainClassNamePrefix);

    public TGrainInterface GetGrain<TGrainInterface>(Guid primaryKey, string? grainClassNamePrefix = null)
        where TGrainInterface : IGrainWithGuidKey =>
        Create<TGrainInterface>(primaryKey.ToString("N"), grainClassNamePrefix);

    public TGrainInterface GetGrain<TGrainInterface>(GrainId grainId)
        where TGrainInterface : IAddressable =>
        (TGrainInterface)(object)Create(typeof(TGrainInterface), grainId);

    public TGrainObserverInterface CreateObjectReference<TGrainObserverInterface>(IGrainObserver obj)
        where TGrainObserverInterface : IGrainObserver =>
        (TGrainObserverInterface)(object)Create(typeof(TGrainObserverInterface), runtime.Observers.Add(obj));

    public void DeleteObjectReference<TGrainObserverInterface>(IGrainObserver obj)
        where TGrainObserverInterface : IGrainObserver =>
        runtime.Observers.Remove(obj);

    public GrainReference Create(Type interfaceType, GrainId grainId) =>
        runtime.Manifest.InterfaceOf(interfaceType).CreateReference(new ReferenceBinding(runtime, grainId));

    /// <summary>A reference to any grain, through no interface.</summary>
    public GrainReference CreateAny(GrainId grainId) => new AnyReference(new ReferenceBinding(runtime, grainId));

    /// <summary>A reference to the grain of an activation, through the first interface of its class.</summary>
    public GrainReference CreateFor(Activation activation) =>
        activation.Class.Interfaces is [var first, ..]
            ? Create(first, activation.GrainId)
            : new AnyReference(new ReferenceBinding(runtime, activation.GrainId));

    private TGrainInterface Create<TGrainInterface>(string key, string? prefix)
    {
        var type = runtime.Manifest.InterfaceOf(typeof(TGrainInterface)).GrainTypeFor(prefix);
        return (TGrainInterface)(object)Create(typeof(TGrainInterface), GrainId.Create(type, key));
    }

    /// <summary>A reference that can only be cast or sent through.</summary>
    private sealed class AnyReference(ReferenceBinding binding) : GrainReference(binding);
}
