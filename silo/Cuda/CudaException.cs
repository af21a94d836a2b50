using System.Diagnostics;

namespace Loire.Cuda;

/// <summary>A CUDA driver call failed. The message says what was tried, on which GPU, and with what result.</summary>
public sealed class CudaException(CuResult result, string operation, int device, string? remedy = null)
    : Exception($"{operation} failed on GPU {device} with {result} ({(int)result}).{(remedy is null ? Meaning(result) : $" {remedy}")}")
{
    public CuResult Result { get; } = result;

    public int Device { get; } = device;

    /// <summary>The process can use CUDA no more (cuda.h says so of these): the silo leaves the cluster and restarts. It does not retry.</summary>
    public bool IsSticky { get; } = IsStickyResult(result);

    public static bool IsStickyResult(CuResult result) => result
        is CuResult.DeviceUnavailable or CuResult.Contained or CuResult.EccUncorrectable or CuResult.NvlinkUncorrectable or CuResult.IllegalAddress or CuResult.LaunchTimeout
        or CuResult.ContextIsDestroyed or CuResult.Assert or (>= CuResult.HardwareStackError and <= CuResult.LaunchFailed) or CuResult.Unknown;

    /// <param name="result">What the driver returned.</param>
    /// <param name="operation">What was tried, with its size or shape: the caller knows, the driver does not.</param>
    /// <param name="device">Ordinal of the GPU.</param>
    /// <param name="remedy">A sentence on what was found and what to change, where the caller can tell.</param>
    [StackTraceHidden]
    public static void ThrowIfFailed(CuResult result, string operation, int device, string? remedy = null)
    {
        if (result != CuResult.Success)
        {
            throw new CudaException(result, operation, device, remedy);
        }
    }

    private static string Meaning(CuResult result) => result switch
    {
        _ when IsStickyResult(result) => " This process can use CUDA no more and has to be started anew; other processes are not concerned.",
        CuResult.InvalidDevice => " There is no such GPU: count them with nvidia-smi, and look at CUDA_VISIBLE_DEVICES.",
        CuResult.SystemNotReady => " The NVLink fabric is not up: is nvidia-fabricmanager running?",
        CuResult.SystemDriverMismatch => " Kernel module and libcuda are of different versions: reload the module or restart the machine.",
        _ => "",
    };
}
