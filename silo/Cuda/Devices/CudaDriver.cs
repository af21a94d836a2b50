using System.Text;
using Loire.Cuda.Native;

namespace Loire.Cuda;

/// <summary>The driver: whether it is there, and which GPUs it has.</summary>
public static class CudaDriver
{
    private static readonly Lazy<CudaProbe> s_probe = new(ProbeOnce);

    /// <summary>Looks once and remembers. Never throws: what is missing is in the answer.</summary>
    public static CudaProbe Probe() => s_probe.Value;

    internal static int Version { get; private set; }

    private static CudaProbe ProbeOnce()
    {
        List<string> libraries = [];
        List<string> missing = [];
        foreach (var library in CudaLibraries.FileNames.Keys)
        {
            var found = CudaLibraries.Find(library);
            if (found.Handle == 0)
            {
                missing.Add(found.Explanation);
            }
            else
            {
                libraries.Add(found.Path!);
            }
        }

        var hasDriver = CudaLibraries.Find(Driver.Library).Handle != 0;
        var gpus = hasDriver ? Gpus(missing) : [];
        return new CudaProbe
        {
            Gpus = [.. gpus],
            DriverVersion = Version == 0 ? null : $"{Version / 1000}.{Version % 1000 / 10}",
            Libraries = [.. libraries],
            Missing = [.. missing],
        };
    }

    private static List<GpuDescription> Gpus(List<string> missing)
    {
        List<GpuDescription> gpus = [];
        try
        {
            // It needs no cuInit, and so tells of a driver whose GPUs cannot be used.
            Version = Driver.DriverGetVersion(out var version) is CuResult.Success ? version : 0;
            if (!Answers(Driver.Init(0), "cuInit", missing) || !Answers(Driver.DeviceGetCount(out var count), "cuDeviceGetCount", missing))
            {
                return gpus;
            }

            if (count == 0)
            {
                missing.Add(Text("cuDeviceGetCount counts none", CuResult.NoDevice));
            }

            for (var ordinal = 0; ordinal < count; ordinal++)
            {
                gpus.Add(Describe(ordinal));
            }
        }
        catch (Exception failure) when (failure is CudaException or EntryPointNotFoundException)
        {
            missing.Add($"The driver does not answer as it should: {failure.Message}");
        }

        return gpus;
    }

    private static bool Answers(CuResult result, string call, List<string> missing)
    {
        if (result is not CuResult.Success)
        {
            missing.Add(Text($"{call} answers {result} ({(int)result})", result));
        }

        return result is CuResult.Success;
    }

    private static string Text(string found, CuResult result) =>
        CuResultText.OfStart(found, result, CudaLibraries.Find(Driver.Library).Path!, Environment.GetEnvironmentVariable("CUDA_VISIBLE_DEVICES")); // it has answered, so it was found

    private static unsafe GpuDescription Describe(int ordinal)
    {
        CudaException.ThrowIfFailed(Driver.DeviceGet(out var device, ordinal), "cuDeviceGet", ordinal);
        var name = stackalloc byte[256];
        CudaException.ThrowIfFailed(Driver.DeviceGetName(name, 256, device), "cuDeviceGetName", ordinal);
        CudaException.ThrowIfFailed(Driver.DeviceTotalMem(out var bytes, device), "cuDeviceTotalMem", ordinal);
        var compute = new Version(Attribute(device, ordinal, DeviceAttribute.ComputeMajor), Attribute(device, ordinal, DeviceAttribute.ComputeMinor));
        var text = new ReadOnlySpan<byte>(name, 256);
        return new GpuDescription(ordinal, Encoding.UTF8.GetString(text[..text.IndexOf((byte)0)]), (long)bytes, compute);
    }

    internal static int Attribute(int device, int ordinal, DeviceAttribute attribute)
    {
        CudaException.ThrowIfFailed(Driver.DeviceGetAttribute(out var value, attribute, device), $"cuDeviceGetAttribute({attribute})", ordinal);
        return value;
    }
}
