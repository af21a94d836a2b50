using System.Reflection;
using Orleans.Runtime;
using Orleans.Serialization.Invocation;

namespace Orleans.Serialization.Invocation
{
    /// <summary>One call: its method and its arguments.</summary>
    public interface IInvokable
    {
        /// <summary>How many arguments the call has; a cancellation token counts.</summary>
        int GetArgumentCount();

        /// <summary>The argument at this place.</summary>
        object? GetArgument(int index);

        /// <summary>Replaces the argument at this place.</summary>
        void SetArgument(int index, object? value);

        /// <summary>The method's name.</summary>
        string GetMethodName();

        /// <summary>The interface's full name.</summary>
        string GetInterfaceName();

        /// <summary>The interface.</summary>
        Type GetInterfaceType();

        /// <summary>The method of the interface.</summary>
        MethodInfo GetMethod();
    }
}

namespace Orleans
{
    /// <summary>A filter written as a delegate.</summary>
    public delegate Task IncomingGrainCallFilterDelegate(IIncomingGrainCallContext context);

    /// <summary>Runs around every call that a grain of this silo receives, in the order of registration.</summary>
    public interface IIncomingGrainCallFilter
    {
        /// <summary>Does what it does and awaits <see cref="IGrainCallContext.Invoke"/>, or does not and sets the result itself.</summary>
        Task Invoke(IIncomingGrainCallContext context);
    }

    /// <summary>A call on its way through the filters.</summary>
    public interface IGrainCallContext
    {
        /// <summary>Method and arguments.</summary>
        IInvokable Request { get; }

        /// <summary>The grain object.</summary>
        object Grain { get; }

        /// <summary>The grain that calls; null for a client.</summary>
        GrainId? SourceId { get; }

        /// <summary>The grain that is called.</summary>
        GrainId TargetId { get; }

        /// <summary>The interface on the wire.</summary>
        GrainInterfaceType InterfaceType { get; }

        /// <summary>The interface's full name.</summary>
        string InterfaceName { get; }

        /// <summary>The method's name.</summary>
        string MethodName { get; }

        /// <summary>The method of the interface.</summary>
        MethodInfo InterfaceMethod { get; }

        /// <summary>What the caller gets. Set after <see cref="Invoke"/>, or by the filter.</summary>
        object? Result { get; set; }

        /// <summary>Runs the rest of the filters and the grain's method.</summary>
        Task Invoke();
    }

    /// <summary>A call that a grain receives, on its way through the filters.</summary>
    public interface IIncomingGrainCallContext : IGrainCallContext
    {
        /// <summary>The activation that is called.</summary>
        IGrainContext TargetContext { get; }

        /// <summary>The method of the grain class.</summary>
        MethodInfo ImplementationMethod { get; }
    }
}
