using Loire.Kernels;

namespace Loire.Gpu.Tests.Kernels;

public sealed class GatedNormTests(Gpu gpu) : IClassFixture<Gpu>
{
    private const float Epsilon = 1e-6f;

    [GpuTheory]
    [InlineData(ElementType.Float32, 1, 1, false)]
    [InlineData(ElementType.Float32, 3, 1000, true)]
    [InlineData(ElementType.BFloat16, 5, 77, false)]
    [InlineData(ElementType.BFloat16, 3, 1000, true)]
    [InlineData(ElementType.BFloat16, 2, 1024, false)]
    [InlineData(ElementType.BFloat16, 257, 8192, false)]
    [InlineData(ElementType.BFloat16, 3, 8192, true)]
    [InlineData(ElementType.BFloat16, 1, 512, true)]
    [InlineData(ElementType.BFloat16, 2, 16384, false)]
    [InlineData(ElementType.BFloat16, 2, 17408, false)]
    public void A_row_is_normed_over_all_heads_and_gated(ElementType type, int rows, int width, bool isGateFloat)
    {
        var stride = width + 8;
        var input = Numbers.Normal(1, (long)rows * width, 5);
        var gate = ElementBuffer.Kept(Numbers.Normal(2, (long)rows * stride), isGateFloat ? ElementType.Float32 : type);
        var weight = ElementBuffer.Kept(Numbers.Normal(3, width), type);
        using var deviceInput = gpu.Upload(input, rows, width);
        using var deviceGate = gpu.Upload(gate, isGateFloat ? ElementType.Float32 : type);
        using var deviceWeight = gpu.Upload(weight, type);
        using var output = new ElementBuffer(gpu, type, rows, width);

        new GatedNorm(gpu.Module("GatedNorm", type), type).Enqueue(
            gpu.Stream, deviceInput.Matrix, new ElementRows(deviceGate.Address, stride), isGateFloat, deviceWeight.Address, output.Address, Epsilon);

        var expected = Enumerable.Range(0, rows)
            .SelectMany(row => GatedNormReference.Apply(input.AsSpan(row * width, width), gate.AsSpan(row * stride, width), weight, Epsilon))
            .Select(value => (float)value);
        KernelAssert.Close([.. expected], output.Download(), ElementBuffer.Rounding(type));
    }

    [GpuTheory]
    [InlineData(ElementType.Float32, 3, 1000, true)]
    [InlineData(ElementType.BFloat16, 5, 77, false)]
    [InlineData(ElementType.BFloat16, 2, 2048, false)]
    [InlineData(ElementType.BFloat16, 130, 4096, true)]
    public void Squares_come_instead_of_the_norms_scale(ElementType type, int rows, int width, bool isGateFloat)
    {
        var input = Numbers.Normal(1, (long)rows * width, 5);
        var gate = ElementBuffer.Kept(Numbers.Normal(2, (long)rows * width), isGateFloat ? ElementType.Float32 : type);
        var weight = ElementBuffer.Kept(Numbers.Normal(3, width), type);
        using var deviceInput = gpu.Upload(input, rows, width);
        using var deviceGate = gpu.Upload(gate, isGateFloat ? ElementType.Float32 : type);
        using var deviceWeight = gpu.Upload(weight, type);
        using var output = new ElementBuffer(gpu, type, rows, width);
        using var squares = gpu.Poisoned<float>(1, rows);

        new GatedNorm(gpu.Module("GatedNorm", type), type).Enqueue(
            gpu.Stream, deviceInput.Matrix, new ElementRows(deviceGate.Address, width), isGateFloat, deviceWeight.Address, output.Address, Epsilon, squares.Address);

        var expected = Enumerable.Range(0, rows)
            .Select(row => GatedNormReference.ApplyUnscaled(input.AsSpan(row * width, width), gate.AsSpan(row * width, width), weight))
            .ToArray();
        KernelAssert.Close([.. expected.SelectMany(row => row.Output).Select(value => (float)value)], output.Download(), ElementBuffer.Rounding(type));
        KernelAssert.Close([.. expected.Select(row => (float)row.Squares)], squares.Download(), KernelAssert.FloatRounding);
    }
}
