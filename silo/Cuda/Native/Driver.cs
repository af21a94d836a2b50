using System.Runtime.InteropServices;

namespace Loire.Cuda.Native;

/// <summary>The part of the driver API that is used, as cuda.h declares it. Names carry the version that the macros there choose.</summary>
internal static unsafe partial class Driver
{
    public const string Library = "cuda";

    [LibraryImport(Library, EntryPoint = "cuInit")]
    public static partial CuResult Init(uint flags);

    [LibraryImport(Library, EntryPoint = "cuDriverGetVersion")]
    public static partial CuResult DriverGetVersion(out int version);

    [LibraryImport(Library, EntryPoint = "cuDeviceGetCount")]
    public static partial CuResult DeviceGetCount(out int count);

    [LibraryImport(Library, EntryPoint = "cuDeviceGet")]
    public static partial CuResult DeviceGet(out int device, int ordinal);

    [LibraryImport(Library, EntryPoint = "cuDeviceGetName")]
    public static partial CuResult DeviceGetName(byte* name, int length, int device);

    [LibraryImport(Library, EntryPoint = "cuDeviceGetAttribute")]
    public static partial CuResult DeviceGetAttribute(out int value, DeviceAttribute attribute, int device);

    [LibraryImport(Library, EntryPoint = "cuDeviceTotalMem_v2")]
    public static partial CuResult DeviceTotalMem(out nuint bytes, int device);

    [LibraryImport(Library, EntryPoint = "cuDeviceCanAccessPeer")]
    public static partial CuResult DeviceCanAccessPeer(out int can, int device, int peer);

    [LibraryImport(Library, EntryPoint = "cuDevicePrimaryCtxRetain")]
    public static partial CuResult PrimaryContextRetain(out nint context, int device);

    [LibraryImport(Library, EntryPoint = "cuDevicePrimaryCtxRelease_v2")]
    public static partial CuResult PrimaryContextRelease(int device);

    [LibraryImport(Library, EntryPoint = "cuCtxSetCurrent")]
    public static partial CuResult ContextSetCurrent(nint context);

    [LibraryImport(Library, EntryPoint = "cuCtxEnablePeerAccess")]
    public static partial CuResult ContextEnablePeerAccess(nint peer, uint flags);

    [LibraryImport(Library, EntryPoint = "cuMemGetInfo_v2")]
    public static partial CuResult MemGetInfo(out nuint free, out nuint total);

    [LibraryImport(Library, EntryPoint = "cuMemAlloc_v2")]
    public static partial CuResult MemAlloc(out ulong address, nuint bytes);

    [LibraryImport(Library, EntryPoint = "cuMemFree_v2")]
    public static partial CuResult MemFree(ulong address);

    [LibraryImport(Library, EntryPoint = "cuMemHostAlloc")]
    public static partial CuResult MemHostAlloc(out nint address, nuint bytes, uint flags);

    [LibraryImport(Library, EntryPoint = "cuMemFreeHost")]
    public static partial CuResult MemFreeHost(nint address);

    [LibraryImport(Library, EntryPoint = "cuMemcpyHtoDAsync_v2")]
    public static partial CuResult CopyToDevice(ulong to, void* from, nuint bytes, CuStreamHandle stream);

    [LibraryImport(Library, EntryPoint = "cuMemcpyDtoHAsync_v2")]
    public static partial CuResult CopyToHost(void* to, ulong from, nuint bytes, CuStreamHandle stream);

    [LibraryImport(Library, EntryPoint = "cuMemcpyDtoDAsync_v2")]
    public static partial CuResult CopyOnDevice(ulong to, ulong from, nuint bytes, CuStreamHandle stream);

    [LibraryImport(Library, EntryPoint = "cuMemcpyPeerAsync")]
    public static partial CuResult CopyToPeer(ulong to, nint toContext, ulong from, nint fromContext, nuint bytes, CuStreamHandle stream);

    [LibraryImport(Library, EntryPoint = "cuMemsetD8Async")]
    public static partial CuResult Fill8(ulong address, byte value, nuint count, CuStreamHandle stream);

    [LibraryImport(Library, EntryPoint = "cuMemsetD32Async")]
    public static partial CuResult Fill32(ulong address, uint value, nuint count, CuStreamHandle stream);

    [LibraryImport(Library, EntryPoint = "cuStreamCreateWithPriority")]
    public static partial CuResult StreamCreate(out nint stream, uint flags, int priority);

    [LibraryImport(Library, EntryPoint = "cuStreamDestroy_v2")]
    public static partial CuResult StreamDestroy(nint stream);

    [LibraryImport(Library, EntryPoint = "cuStreamSynchronize")]
    public static partial CuResult StreamSynchronize(CuStreamHandle stream);

    [LibraryImport(Library, EntryPoint = "cuStreamQuery")]
    public static partial CuResult StreamQuery(CuStreamHandle stream);

    [LibraryImport(Library, EntryPoint = "cuStreamWaitEvent")]
    public static partial CuResult StreamWaitEvent(CuStreamHandle stream, CuEventHandle awaited, uint flags);

    [LibraryImport(Library, EntryPoint = "cuStreamBeginCapture_v2")]
    public static partial CuResult StreamBeginCapture(CuStreamHandle stream, int mode);

    [LibraryImport(Library, EntryPoint = "cuStreamEndCapture")]
    public static partial CuResult StreamEndCapture(CuStreamHandle stream, out nint graph);

    [LibraryImport(Library, EntryPoint = "cuEventCreate")]
    public static partial CuResult EventCreate(out nint created, uint flags);

    [LibraryImport(Library, EntryPoint = "cuEventDestroy_v2")]
    public static partial CuResult EventDestroy(nint destroyed);

    [LibraryImport(Library, EntryPoint = "cuEventRecord")]
    public static partial CuResult EventRecord(CuEventHandle recorded, CuStreamHandle stream);

    [LibraryImport(Library, EntryPoint = "cuEventSynchronize")]
    public static partial CuResult EventSynchronize(CuEventHandle awaited);

    [LibraryImport(Library, EntryPoint = "cuEventQuery")]
    public static partial CuResult EventQuery(CuEventHandle asked);

    [LibraryImport(Library, EntryPoint = "cuEventElapsedTime")]
    public static partial CuResult EventElapsedTime(out float milliseconds, CuEventHandle from, CuEventHandle to);

    [LibraryImport(Library, EntryPoint = "cuModuleLoadData")]
    public static partial CuResult ModuleLoad(out nint module, byte* image);

    [LibraryImport(Library, EntryPoint = "cuModuleUnload")]
    public static partial CuResult ModuleUnload(nint module);

    [LibraryImport(Library, EntryPoint = "cuModuleGetFunction", StringMarshalling = StringMarshalling.Utf8)]
    public static partial CuResult ModuleGetFunction(out nint function, CuModuleHandle module, string name);

    [LibraryImport(Library, EntryPoint = "cuFuncGetParamInfo")]
    public static partial CuResult FunctionGetParameter(nint function, nuint index, out nuint offset, out nuint size);

    [LibraryImport(Library, EntryPoint = "cuFuncGetAttribute")]
    public static partial CuResult FunctionGetAttribute(out int value, FunctionAttribute attribute, nint function);

    [LibraryImport(Library, EntryPoint = "cuFuncSetAttribute")]
    public static partial CuResult FunctionSetAttribute(nint function, FunctionAttribute attribute, int value);

    [LibraryImport(Library, EntryPoint = "cuOccupancyMaxActiveBlocksPerMultiprocessor")]
    public static partial CuResult OccupancyBlocks(out int blocks, nint function, int threads, nuint sharedBytes);

    [LibraryImport(Library, EntryPoint = "cuLaunchKernelEx")]
    public static partial CuResult LaunchKernel(LaunchConfiguration* configuration, nint function, void** parameters, void** extra);

    [LibraryImport(Library, EntryPoint = "cuGraphInstantiateWithFlags")]
    public static partial CuResult GraphInstantiate(out nint executable, nint graph, ulong flags);

    [LibraryImport(Library, EntryPoint = "cuGraphExecUpdate_v2")]
    public static partial CuResult GraphUpdate(CuGraphHandle executable, nint graph, out GraphUpdateResult result);

    [LibraryImport(Library, EntryPoint = "cuGraphLaunch")]
    public static partial CuResult GraphLaunch(CuGraphHandle executable, CuStreamHandle stream);

    [LibraryImport(Library, EntryPoint = "cuGraphExecDestroy")]
    public static partial CuResult GraphExecutableDestroy(nint executable);

    [LibraryImport(Library, EntryPoint = "cuGraphDestroy")]
    public static partial CuResult GraphDestroy(nint graph);

    [LibraryImport(Library, EntryPoint = "cuGraphGetNodes")]
    public static partial CuResult GraphGetNodes(nint graph, nint* nodes, ref nuint count);
}

/// <summary>CUdevice_attribute.</summary>
internal enum DeviceAttribute
{
    ClockRate = 13,
    Multiprocessors = 16,
    MemoryClockRate = 36,
    BusWidth = 37,
    L2Bytes = 38,
    ComputeMajor = 75,
    ComputeMinor = 76,
    SharedMemoryPerBlockOptIn = 97,
}

/// <summary>CUfunction_attribute.</summary>
internal enum FunctionAttribute
{
    StaticSharedBytes = 1,
    LocalBytes = 3,
    Registers = 4,
    MaxDynamicSharedBytes = 8,
}

/// <summary>CUlaunchConfig.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct LaunchConfiguration
{
    public uint GridX;
    public uint GridY;
    public uint GridZ;
    public uint BlockX;
    public uint BlockY;
    public uint BlockZ;
    public uint SharedBytes;
    public nint Stream;
    public LaunchAttribute* Attributes;
    public uint AttributeCount;
}

/// <summary>CUlaunchAttribute: an id, and a value in a union of 64 bytes.</summary>
[StructLayout(LayoutKind.Explicit, Size = 72)]
internal struct LaunchAttribute
{
    public const int ProgrammaticStreamSerialization = 6;

    [FieldOffset(0)]
    public int Id;

    [FieldOffset(8)]
    public int Value;
}

/// <summary>CUgraphExecUpdateResultInfo.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct GraphUpdateResult
{
    public int Result;
    public nint ErrorNode;
    public nint ErrorFromNode;
}
