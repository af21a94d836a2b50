using Orleans.Runtime;

namespace Orleans;

/// <summary>Makes references to grains. A reference costs no call: the grain activates when it is first called.</summary>
public interface IGrainFactory
{
    /// <summary>The grain with this key.</summary>
    TGrainInterface GetGrain<TGrainInterface>(string primaryKey, string? grainClassNamePrefix = null)
        where TGrainInterface : IGrainWithStringKey;

    /// <summary>The grain with this key.</summary>
    TGrainInterface GetGrain<TGrainInterface>(long primaryKey, string? grainClassNamePrefix = null)
        where TGrainInterface : IGrainWithIntegerKey;

    /// <summary>The grain with this key.</summary>
    TGrainInterface GetGrain<TGrainInterface>(Guid primaryKey, string? grainClassNamePrefix = null)
        where TGrainInterface : IGrainWithGuidKey;

    /// <summary>The grain with this identity.</summary>
    TGrainInterface GetGrain<TGrainInterface>(GrainId grainId)
        where TGrainInterface : IAddressable;

    /// <summary>A reference through which grains call <paramref name="obj"/>. The runtime holds the object weakly: keep it alive.</summary>
    TGrainObserverInterface CreateObjectReference<TGrainObserverInterface>(IGrainObserver obj)
        where TGrainObserverInterface : IGrainObserver;

    /// <summary>Ends a reference that <see cref="CreateObjectReference"/> made; later calls through it fail.</summary>
    void DeleteObjectReference<TGrainObserverInterface>(IGrainObserver obj)
        where TGrainObserverInterface : IGrainObserver;
}

/// <summary>The way into the cluster for code that is not a grain.</summary>
public interface IClusterClient : IGrainFactory
{
    /// <summary>The services of the process.</summary>
    IServiceProvider ServiceProvider { get; }
}
