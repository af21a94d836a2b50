using System.Runtime.InteropServices;

namespace Loire.Cuda.Native;

/// <summary>The primary context of a device. Freed after everything that lives in it, in whatever order the owners are disposed.</summary>
internal sealed class ContextHandle : SafeHandle
{
    [ThreadStatic]
    private static nint t_current;

    private readonly int _device;

    public ContextHandle(nint context, int device)
        : base(0, ownsHandle: true)
    {
        _device = device;
        SetHandle(context);
    }

    public override bool IsInvalid => handle == 0;

    /// <summary>For the calling thread.</summary>
    public void MakeCurrent()
    {
        if (t_current == handle)
        {
            return;
        }

        CudaException.ThrowIfFailed(TryMakeCurrent(), "cuCtxSetCurrent", _device);
    }

    public CuResult TryMakeCurrent()
    {
        var result = t_current == handle ? CuResult.Success : Driver.ContextSetCurrent(handle);
        t_current = result == CuResult.Success ? handle : 0;
        return result;
    }

    protected override bool ReleaseHandle()
    {
        if (t_current == handle)
        {
            t_current = 0;
        }

        return Driver.PrimaryContextRelease(_device) == CuResult.Success;
    }
}

/// <summary>Something that lives in a context and keeps it.</summary>
internal abstract class ContextChild : SafeHandle
{
    private readonly ContextHandle _context;
    private readonly bool _holds;

    protected ContextChild(ContextHandle context, nint value)
        : base(0, ownsHandle: true)
    {
        _context = context;
        context.DangerousAddRef(ref _holds);
        SetHandle(value);
    }

    public override bool IsInvalid => handle == 0;

    protected sealed override bool ReleaseHandle()
    {
        try
        {
            return _context.TryMakeCurrent() == CuResult.Success && Destroy() == CuResult.Success;
        }
        finally
        {
            if (_holds)
            {
                _context.DangerousRelease();
            }
        }
    }

    protected abstract CuResult Destroy();
}

internal sealed class CuStreamHandle(ContextHandle context, nint value) : ContextChild(context, value)
{
    protected override CuResult Destroy() => Driver.StreamDestroy(handle);
}

internal sealed class CuEventHandle(ContextHandle context, nint value) : ContextChild(context, value)
{
    protected override CuResult Destroy() => Driver.EventDestroy(handle);
}

internal sealed class CuModuleHandle(ContextHandle context, nint value) : ContextChild(context, value)
{
    protected override CuResult Destroy() => Driver.ModuleUnload(handle);
}

internal sealed class CuGraphHandle(ContextHandle context, nint value) : ContextChild(context, value)
{
    protected override CuResult Destroy() => Driver.GraphExecutableDestroy(handle);
}

internal sealed class DeviceMemoryHandle(ContextHandle context, ulong address) : ContextChild(context, (nint)address)
{
    protected override CuResult Destroy() => Driver.MemFree((ulong)handle);
}

internal sealed class PinnedMemoryHandle(ContextHandle context, nint value) : ContextChild(context, value)
{
    protected override CuResult Destroy() => Driver.MemFreeHost(handle);
}
