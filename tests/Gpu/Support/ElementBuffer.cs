using Loire.Cuda;
using Loire.Kernels;

namespace Loire.Gpu.Tests;

/// <summary>Poisoned memory of T elements, bf16 or fp32.</summary>
public sealed class ElementBuffer : IDisposable
{
    private readonly DeviceBuffer<BFloat16>? _halves;
    private readonly DeviceBuffer<float>? _floats;

    public ElementBuffer(Gpu gpu, ElementType type, long rows, long columns)
    {
        if (type is ElementType.BFloat16)
        {
            _halves = gpu.Poisoned<BFloat16>(rows, columns);
        }
        else
        {
            _floats = gpu.Poisoned<float>(rows, columns);
        }
    }

    public ulong Address => _halves?.Address ?? _floats?.Address ?? 0;

    public float[] Download() => _halves is { } halves ? Numbers.AsFloat(halves.Download()) : _floats!.Download();

    public void Dispose()
    {
        _halves?.Dispose();
        _floats?.Dispose();
    }

    /// <summary>Numbers as the type keeps them.</summary>
    public static float[] Kept(float[] numbers, ElementType type) => type is ElementType.BFloat16 ? Numbers.Rounded(numbers) : numbers;

    /// <summary>What a result of the type may be off by.</summary>
    public static double Rounding(ElementType type) => type is ElementType.BFloat16 ? KernelAssert.BFloat16Rounding : KernelAssert.FloatRounding;
}
