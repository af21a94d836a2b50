using System.Diagnostics;
using System.Reflection;
using System.Runtime.InteropServices;
using Loire.Cuda;
using Loire.Cuda.Native;

namespace Loire.Gpu.Tests.Running;

/// <summary>A libcuda in a folder of its own, made of Driver.c: it passes calls on until it is told what to answer, as if the GPU were gone.</summary>
/// <remarks>Only calls of silo/Cuda go through it. cuBLASLt finds the driver by itself, and goes on working.</remarks>
internal sealed class DriverStandIn : IDisposable
{
    private const string Source = "Driver.c";

    private static readonly string? s_compiler =
        (from name in new[] { "cc", "gcc", "clang" }
         from folder in (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':', StringSplitOptions.RemoveEmptyEntries)
         let path = Path.Combine(folder, name)
         where File.Exists(path)
         select path).FirstOrDefault();

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("loire-driver-");

    /// <param name="behind">Path or name of the driver that calls are passed on to; null: none, so that every call answers NotFound until it is told.</param>
    /// <param name="source">C source of the driver that calls are passed on to, instead of a name.</param>
    public DriverStandIn(string? behind = null, string? source = null)
    {
        try
        {
            behind = source is null ? behind : Compile("behind.so", source);
            Answer = Path.Combine(_folder.FullName, "answer");
            File.WriteAllLines(Path.Combine(_folder.FullName, "Calls.h"), Calls.Select(call => $"CALL({call})"));
            using var text = new StreamReader(typeof(DriverStandIn).Assembly.GetManifestResourceStream(Source)!); // embedded by the project
            Library = Compile("libcuda.so.1", text.ReadToEnd(), $"-DANSWER=\"{Answer}\"", $"-DBEHIND=\"{behind}\"");
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>Why there can be none here; null: there can.</summary>
    public static string? Obstacle => s_compiler is null
        ? "The driver's stand-in is made by a C compiler, and neither cc, gcc nor clang is on the PATH."
        : OperatingSystem.IsLinux() && RuntimeInformation.ProcessArchitecture is Architecture.X64 or Architecture.Arm64 ? null : "The driver's stand-in is for Linux on x86-64 or arm64.";

    /// <summary>Names of all functions that silo/Cuda calls.</summary>
    public static IReadOnlyList<string> Calls { get; } =
    [
        .. typeof(Driver).GetMethods(BindingFlags.Public | BindingFlags.Static | BindingFlags.DeclaredOnly)
            .Select(method => method.GetCustomAttribute<LibraryImportAttribute>()?.EntryPoint).OfType<string>(),
    ];

    public string Folder => _folder.FullName;

    /// <summary>Path of the library.</summary>
    public string Library { get; }

    /// <summary>Path of the file that tells what to answer.</summary>
    public string Answer { get; }

    /// <summary>From now on every call returns that.</summary>
    public static void Tell(string answer, CuResult result)
    {
        var unfinished = $"{answer}.new";
        File.WriteAllText(unfinished, $"{(int)result}");
        File.Move(unfinished, answer, overwrite: true); // whoever reads it sees all of it or nothing
    }

    public void Tell(CuResult result) => Tell(Answer, result);

    /// <summary>Makes a process find this driver before any other, and the other libraries where this process does.</summary>
    public void PutBefore(ProcessStartInfo start)
    {
        var others = Environment.GetEnvironmentVariable(CudaLibraries.Setting);
        start.Environment[CudaLibraries.Setting] = string.IsNullOrEmpty(others) ? Folder : $"{Folder}:{others}";
    }

    /// <returns>Path of the library, in the same folder.</returns>
    private string Compile(string name, string source, params string[] options)
    {
        var library = Path.Combine(Folder, name);
        var file = $"{library}.c";
        File.WriteAllText(file, source);
        // No soname: the loader must not take this library for libcuda when another one asks for that.
        using var compiler = Process.Start(new ProcessStartInfo(s_compiler!, ["-shared", "-fPIC", "-O1", "-Wall", "-Werror", .. options, "-o", library, file, "-ldl"]) { RedirectStandardError = true })!; // see Obstacle
        var errors = compiler.StandardError.ReadToEnd();
        compiler.WaitForExit();
        return compiler.ExitCode == 0 ? library : throw new InvalidOperationException($"{s_compiler} refuses {name}:{Environment.NewLine}{errors}");
    }

    public void Dispose() => _folder.Delete(recursive: true);
}
