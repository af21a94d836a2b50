using Loire.Engine.Weights;

namespace Loire.Engine.Backends.Cpu.Layers;

/// <summary>Loads vectors as fp32.</summary>
internal static unsafe class Vectors
{
    public static CpuBuffer<float> Load(IWeightSource weights, string name, int length)
    {
        var buffer = new CpuBuffer<float>(length);
        weights.Get(name, length).CopyTo(new Span<float>(buffer.Pointer, length));
        return buffer;
    }
}
