using System.Diagnostics;

namespace Loire.Cuda;

/// <summary>A CUDA driver call failed. The message says what was tried, on which GPU, and with what result.</summary>
public sealed class CudaException(CuResult result, string operation, int device, string? remedy = null)
    : Exception($"{operation} failed on GPU {device} with {result} ({(int)result}).{Tail(remedy ?? CuResultText.OfCall(result, device))}")
{
    public CuResult Result { get; } = result;

    public int Device { get; } = device;

    /// <summary>The process can use CUDA no more: the silo leaves the cluster and restarts. It does not retry.</summary>
    /// <remarks>cuda.h says so of most. That the driver has no such device comes of a GPU that it has listed before, so of one that is gone.</remarks>
    public bool IsSticky { get; } = IsStickyResult(result);

    public static bool IsStickyResult(CuResult result) => result
        is CuResult.DeviceUnavailable or CuResult.NoDevice or CuResult.InvalidDevice
        or CuResult.Contained or CuResult.EccUncorrectable or CuResult.NvlinkUncorrectable or CuResult.IllegalAddress or CuResult.LaunchTimeout
        or CuResult.ContextIsDestroyed or CuResult.Assert or (>= CuResult.HardwareStackError and <= CuResult.LaunchFailed) or CuResult.Unknown;

    /// <param name="result">What the driver returned.</param>
    /// <param name="operation">What was tried, with its size or shape: the caller knows, the driver does not.</param>
    /// <param name="device">Ordinal of the GPU.</param>
    /// <param name="remedy">A sentence on what was found and what to change, where the caller can tell; null: what the result means in general.</param>
    [StackTraceHidden]
    public static void ThrowIfFailed(CuResult result, string operation, int device, string? remedy = null)
    {
        if (result != CuResult.Success)
        {
            throw new CudaException(result, operation, device, remedy);
        }
    }

    private static string Tail(string text) => text.Length == 0 ? "" : $" {text}";
}
