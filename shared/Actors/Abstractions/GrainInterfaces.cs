namespace Orleans.Runtime
{
    /// <summary>Anything that has a <see cref="GrainId"/> and can be called: a grain, a reference, an observer.</summary>
    public interface IAddressable;
}

namespace Orleans
{
    /// <summary>The root of all grain interfaces.</summary>
    public interface IGrain : Runtime.IAddressable;

    /// <summary>A grain whose key is text.</summary>
    public interface IGrainWithStringKey : IGrain;

    /// <summary>A grain whose key is a number.</summary>
    public interface IGrainWithIntegerKey : IGrain;

    /// <summary>A grain whose key is a <see cref="Guid"/>.</summary>
    public interface IGrainWithGuidKey : IGrain;

    /// <summary>An object that is not a grain but that grains may call through a reference; see <see cref="IGrainFactory.CreateObjectReference{T}"/>.</summary>
    public interface IGrainObserver : Runtime.IAddressable;
}
