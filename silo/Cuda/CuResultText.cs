namespace Loire.Cuda;

/// <summary>What a result of the driver means and what to do about it, for whoever reads the log.</summary>
/// <remarks>It names <c>--device</c> and a runbook, which belong to layers above: once a GPU is gone the process ends, and no layer is left to add them.</remarks>
internal static class CuResultText
{
    private const string Ended = "This process can use CUDA no more and has to be started anew";
    private const string SystemLog = "the system's log (dmesg | grep -i xid; Xid 79: a GPU fell off the bus)";
    private const string WithoutIt = "Drain the host for repair, or start the silo on the other GPUs by --device: those that are left are counted from 0.";
    private const string Steps = "The steps are in ops/runbooks/gpu-lost.md.";

    /// <summary>Of a call about a GPU that the driver has listed. Empty: the result speaks for itself.</summary>
    public static string OfCall(CuResult result, int gpu) => result switch
    {
        CuResult.DeviceUnavailable or CuResult.NoDevice or CuResult.InvalidDevice =>
            $"GPU {gpu} is gone: the driver has listed it and reaches it no more. {Ended}. Look at nvidia-smi and at {SystemLog}. {WithoutIt} {Steps}",
        CuResult.EccUncorrectable =>
            $"The memory of GPU {gpu} has an error that cannot be corrected. {Ended}. Look at nvidia-smi -q -d ECC and at {SystemLog}. {WithoutIt} {Steps}",
        CuResult.NvlinkUncorrectable =>
            $"The NVLink of GPU {gpu} has had an error that cannot be corrected. {Ended}. Look at nvidia-smi nvlink -e and at {SystemLog}. {WithoutIt} {Steps}",
        CuResult.Contained =>
            $"GPU {gpu} has contained a fault of its hardware or of an NVLink. {Ended}. Look at nvidia-smi -q -d ECC, nvidia-smi nvlink -e and at {SystemLog}. {WithoutIt} {Steps}",
        CuResult.LaunchFailed or CuResult.Unknown =>
            $"A kernel has failed, or GPU {gpu} is gone. {Ended}. Look at nvidia-smi and at {SystemLog}: where the GPU is gone, drain the host for repair, or start the silo on the other GPUs by --device. {Steps}",
        _ when CudaException.IsStickyResult(result) => $"{Ended}; other processes are not concerned. {Steps}",
        CuResult.OutOfMemory =>
            $"The memory of GPU {gpu}, or what the host may pin, is used up: nvidia-smi shows who has the GPU's, free -h the host's. Give the replica less, or other GPUs by --device. {Steps}",
        CuResult.SystemNotReady or CuResult.SystemDriverMismatch => $"{Cause(result, null)} {Steps}",
        _ => "",
    };

    /// <summary>Of a call that asks the driver what there is.</summary>
    /// <param name="found">The call and what came of it, as in "cuInit answers NoDevice (100)".</param>
    /// <param name="result">That it comes to.</param>
    /// <param name="library">Where the driver's library was found.</param>
    /// <param name="visible">CUDA_VISIBLE_DEVICES; null: not set.</param>
    public static string OfStart(string found, CuResult result, string library, string? visible) =>
        $"The driver ({library}) is there, but {found}. {Cause(result, visible)} {Steps}";

    private static string Cause(CuResult result, string? visible) => result switch
    {
        CuResult.NoDevice =>
            $"No GPU is there for this process. One that nvidia-smi -L lists is hidden by CUDA_VISIBLE_DEVICES ({Setting(visible)}) or was not passed to the container; one that it does not list is gone: look at {SystemLog}.",
        CuResult.InvalidDevice =>
            $"A GPU that is meant to be there is not. Compare CUDA_VISIBLE_DEVICES ({Setting(visible)}) with nvidia-smi -L, and look at {SystemLog}.",
        CuResult.SystemNotReady =>
            "The NVLink fabric is not up. Is nvidia-fabricmanager running, and of the driver's version (systemctl status nvidia-fabricmanager)?",
        CuResult.SystemDriverMismatch =>
            "Kernel module and libcuda are of different versions (/proc/driver/nvidia/version has the module's). Reload the module or restart the machine; in a container, use the host's libcuda.",
        CuResult.CompatibilityUnsupported =>
            "This libcuda is newer than the kernel module, and the GPU does not allow that. Take the compatibility package (cuda/compat) out of the library path, or update the driver.",
        CuResult.StubLibrary =>
            $"It is the toolkit's stub and no driver. Take its folder out of {CudaLibraries.Setting} and LD_LIBRARY_PATH.",
        CuResult.NotInitialized or CuResult.OperatingSystem or CuResult.Unknown =>
            $"Its part in the system does not answer. If nvidia-smi fails as well, load the modules (nvidia, nvidia-uvm) or restart the machine; in a container, pass /dev/nvidia* in, /dev/nvidia-uvm with them. "
            + $"A GPU that is gone can do this to the others: look at {SystemLog}, and leave it out by naming the others' UUIDs (nvidia-smi -L) in CUDA_VISIBLE_DEVICES.",
        _ => $"No GPU can be used. Look at nvidia-smi, CUDA_VISIBLE_DEVICES ({Setting(visible)}), the container's devices and {SystemLog}.",
    };

    private static string Setting(string? visible) => visible is null ? "not set" : $"it is '{visible}'";
}
