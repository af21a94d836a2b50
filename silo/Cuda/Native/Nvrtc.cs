using System.Runtime.InteropServices;

namespace Loire.Cuda.Native;

/// <summary>The runtime compiler, as nvrtc.h declares it.</summary>
internal static unsafe partial class Nvrtc
{
    public const string Library = "nvrtc";

    [LibraryImport(Library, EntryPoint = "nvrtcVersion")]
    public static partial int Version(out int major, out int minor);

    [LibraryImport(Library, EntryPoint = "nvrtcCreateProgram", StringMarshalling = StringMarshalling.Utf8)]
    public static partial int CreateProgram(out nint program, string source, string name, int headerCount, string[] headers, string[] headerNames);

    [LibraryImport(Library, EntryPoint = "nvrtcCompileProgram", StringMarshalling = StringMarshalling.Utf8)]
    public static partial int CompileProgram(nint program, int optionCount, string[] options);

    [LibraryImport(Library, EntryPoint = "nvrtcGetCUBINSize")]
    public static partial int GetCubinSize(nint program, out nuint size);

    [LibraryImport(Library, EntryPoint = "nvrtcGetCUBIN")]
    public static partial int GetCubin(nint program, byte* cubin);

    [LibraryImport(Library, EntryPoint = "nvrtcGetProgramLogSize")]
    public static partial int GetLogSize(nint program, out nuint size);

    [LibraryImport(Library, EntryPoint = "nvrtcGetProgramLog")]
    public static partial int GetLog(nint program, byte* log);

    [LibraryImport(Library, EntryPoint = "nvrtcDestroyProgram")]
    public static partial int DestroyProgram(ref nint program);
}
