using System.Reflection;
using Orleans;
using Orleans.Runtime;
using Orleans.Serialization.Invocation;

namespace Loire.Actors.Calls;

/// <summary>One call on its way through the silo's filters, in order, then the grain's own if it is one, then the method.</summary>
internal sealed class FilteredCall(Request request, Activation activation, object instance, IIncomingGrainCallFilter[] filters) : IIncomingGrainCallContext
{
    private int _stage;

    public IInvokable Request => request;

    public object Grain => instance;

    public GrainId? SourceId => request.Sender?.GrainId ?? (request.Caller is { Chain: [var first, ..] } ? first.GrainId : null);

    public GrainId TargetId => activation.GrainId;

    public GrainInterfaceType InterfaceType => request.Method.WireInterface;

    public string InterfaceName => request.GetInterfaceName();

    public string MethodName => request.Method.Name;

    public MethodInfo InterfaceMethod => request.Method.Method;

    public object? Result { get; set; }

    public IGrainContext TargetContext => activation;

    public MethodInfo ImplementationMethod
    {
        get
        {
            var map = instance.GetType().GetInterfaceMap(request.Method.InterfaceType);
            return map.TargetMethods[Array.IndexOf(map.InterfaceMethods, request.Method.Method)];
        }
    }

    public async Task Invoke()
    {
        // 1. The silo's filters.
        if (_stage < filters.Length)
        {
            await filters[_stage++].Invoke(this);
        }

        // 2. The grain's own.
        else if (_stage == filters.Length && instance is IIncomingGrainCallFilter own)
        {
            _stage++;
            await own.Invoke(this);
        }

        // 3. The method.
        else
        {
            Result = await request.InvokeBoxedAsync(instance);
        }
    }
}
