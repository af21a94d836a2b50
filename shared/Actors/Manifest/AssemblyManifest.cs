using Loire.Actors.Calls;
using Loire.Actors.Serialization;
using Loire.Actors.Streams;
using Orleans.Runtime;

namespace Loire.Actors.Manifest;

/// <summary>Names the manifest that was generated for an assembly.</summary>
[AttributeUsage(AttributeTargets.Assembly)]
public sealed class ActorManifestAttribute(Type manifest) : Attribute
{
    /// <summary>A class that derives from <see cref="AssemblyManifest"/>.</summary>
    public Type Manifest { get; } = manifest;
}

/// <summary>What an assembly has: grain interfaces, grain classes, codecs. Generated.</summary>
public abstract class AssemblyManifest
{
    /// <summary>Says what there is.</summary>
    public abstract void Describe(IManifestBuilder builder);
}

/// <summary>Takes what an assembly has.</summary>
public interface IManifestBuilder
{
    /// <summary>A grain or observer interface.</summary>
    void AddInterface(Type interfaceType, string alias, Func<ReferenceBinding, GrainReference> createReference);

    /// <summary>A method of a grain or observer interface, by its names on the wire.</summary>
    void AddRequest(string interfaceAlias, string methodAlias, Func<Request> rent);

    /// <summary>A method that returns a stream, by its names on the wire.</summary>
    void AddStream(string interfaceAlias, string methodAlias, Func<StreamCall> create);

    /// <summary>A grain class.</summary>
    void AddGrain(Type grainClass, Func<GrainServices, object> create);

    /// <summary>A type that grains pass.</summary>
    void AddCodec<T>(string alias, Func<Codec<T>> create);

    /// <summary>A generic type that grains pass.</summary>
    void AddGenericCodec(Type definition, string alias, Type codec);
}
