using Loire.Cuda;
using Loire.Kernels;

namespace Loire.Gpu.Tests.Kernels;

public sealed class LinearTests(Gpu gpu) : IClassFixture<Gpu>
{
    [GpuTheory]
    [InlineData(LinearPath.Any, ElementType.Float32, 1, 3, 5)]
    [InlineData(LinearPath.Any, ElementType.Float32, 7, 1000, 257)]
    [InlineData(LinearPath.Any, ElementType.BFloat16, 9, 100, 33)]
    [InlineData(LinearPath.Stream, ElementType.BFloat16, 1, 64, 1)]
    [InlineData(LinearPath.Stream, ElementType.BFloat16, 1, 6144, 1000)]
    [InlineData(LinearPath.Stream, ElementType.BFloat16, 3, 256, 4096)]
    [InlineData(LinearPath.Stream, ElementType.BFloat16, 8, 8192, 129)]
    [InlineData(LinearPath.Stream, ElementType.BFloat16, 13, 448, 257)]
    [InlineData(LinearPath.Stream, ElementType.BFloat16, 31, 6144, 640)]
    [InlineData(LinearPath.Stream, ElementType.BFloat16, 64, 9216, 300)]
    [InlineData(LinearPath.Stream, ElementType.BFloat16, 61, 1024, 20000)]
    [InlineData(LinearPath.Library, ElementType.BFloat16, 257, 512, 136)]
    public void A_product_is_that_of_the_rows(LinearPath path, ElementType type, int rows, int depth, int columns)
    {
        using var product = new Product(gpu, type, rows, depth, columns);

        product.Enqueue(path);

        KernelAssert.Close(product.Expected(Activation.None), product.Floats.Download(), KernelAssert.FloatRounding);
        KernelAssert.Close(product.Expected(Activation.Silu), product.Elements.Download(), ElementBuffer.Rounding(type));
    }

    [GpuTheory]
    [InlineData(LinearPath.Any, ElementType.Float32)]
    [InlineData(LinearPath.Any, ElementType.BFloat16)]
    [InlineData(LinearPath.Stream, ElementType.BFloat16)]
    public void A_row_has_the_same_bits_alone_and_in_a_batch(LinearPath path, ElementType type)
    {
        using var product = new Product(gpu, type, rows: 8, depth: 6144, columns: 500);
        product.Enqueue(path);
        var batched = product.Floats.Download();

        product.Floats.Poison();
        product.Enqueue(path, rows: 1);

        Assert.Equal(batched[..500], product.Floats.Download()[..500]);
    }

    [GpuFact]
    public void A_product_has_the_same_bits_each_time_and_leaves_the_workspace_as_it_was()
    {
        using var product = new Product(gpu, ElementType.BFloat16, rows: 5, depth: 6144, columns: 777);
        product.Enqueue(LinearPath.Stream);
        var first = product.Floats.Download();

        for (var i = 0; i < 20; i++)
        {
            product.Floats.Poison();
            product.Enqueue(LinearPath.Stream);
            Assert.Equal(first, product.Floats.Download());
        }
    }

    [GpuTheory]
    [InlineData(LinearPath.Any)]
    [InlineData(LinearPath.Stream)]
    [InlineData(LinearPath.Library)]
    public void Several_matrices_fill_parts_of_wider_rows(LinearPath path)
    {
        const int rows = 11;
        const int depth = 192;
        int[] columns = [200, 64, 136];
        var x = Numbers.Rounded(Numbers.Normal(1, rows * depth));
        var weights = columns.Select((count, i) => Numbers.Rounded(Numbers.Normal(2 + i, count * depth, 0.1))).ToArray();
        using var deviceX = gpu.Upload(x, ElementType.BFloat16);
        using var first = gpu.Upload(weights[0], ElementType.BFloat16);
        using var second = gpu.Upload(weights[1], ElementType.BFloat16);
        using var third = gpu.Upload(weights[2], ElementType.BFloat16);
        using var y = gpu.Poisoned<BFloat16>(rows, 400);
        using var workspace = new StreamWorkspace(gpu.Device, gpu.Stream);

        new Loire.Kernels.Linear(gpu.Module("Linear", ElementType.BFloat16), ElementType.BFloat16, workspace, gpu.Products).Enqueue(
            gpu.Stream, path, deviceX.Address, rows, depth,
            new LinearOutput(first.Address, 200, y.Address, IsFloat: false, Activation.Silu, Stride: 400),
            new LinearOutput(second.Address, 64, y.Address + 400, IsFloat: false, Activation.None, Stride: 400),
            new LinearOutput(third.Address, 136, y.Address + 528, IsFloat: false, Activation.Sigmoid, Stride: 400));

        Activation[] activations = [Activation.Silu, Activation.None, Activation.Sigmoid];
        var parts = weights.Select((w, i) => LinearReference.Apply(x, w, depth, activations[i])).ToArray();
        float[] expected = [.. Enumerable.Range(0, rows).SelectMany(row => parts.SelectMany((part, i) => part.Skip(row * columns[i]).Take(columns[i])))];
        KernelAssert.Close(expected, y.Download());
    }

    [GpuFact]
    public void A_product_that_cannot_be_streamed_is_refused_by_name()
    {
        using var product = new Product(gpu, ElementType.BFloat16, rows: 65, depth: 64, columns: 8);

        var failure = Assert.Throws<ArgumentException>(() => product.Enqueue(LinearPath.Stream));

        Assert.Contains("65 rows of depth 64", failure.Message, StringComparison.Ordinal);
    }

    /// <summary>One matrix, multiplied twice: into fp32, and under a silu into T.</summary>
    private sealed class Product : IDisposable
    {
        private readonly Gpu _gpu;
        private readonly (int Rows, int Depth, int Columns) _shape;
        private readonly float[] _x;
        private readonly float[] _w;
        private readonly DeviceBuffer<byte> _deviceX;
        private readonly DeviceBuffer<byte> _deviceW;
        private readonly StreamWorkspace _workspace;
        private readonly Loire.Kernels.Linear _linear;

        public Product(Gpu gpu, ElementType type, int rows, int depth, int columns)
        {
            _gpu = gpu;
            _shape = (rows, depth, columns);
            _x = ElementBuffer.Kept(Numbers.Normal(1, rows * depth), type);
            _w = ElementBuffer.Kept(Numbers.Normal(2, columns * depth, 1 / Math.Sqrt(depth)), type);
            _deviceX = gpu.Upload(_x, type);
            _deviceW = gpu.Upload(_w, type);
            Floats = gpu.Poisoned<float>(rows, columns);
            Elements = new ElementBuffer(gpu, type, rows, columns);
            _workspace = new StreamWorkspace(gpu.Device, gpu.Stream);
            _linear = new Loire.Kernels.Linear(gpu.Module("Linear", type), type, _workspace, type is ElementType.BFloat16 ? gpu.Products : null);
        }

        public DeviceBuffer<float> Floats { get; }

        public ElementBuffer Elements { get; }

        public void Enqueue(LinearPath path, int rows = 0) => _linear.Enqueue(
            _gpu.Stream, path, _deviceX.Address, rows == 0 ? _shape.Rows : rows, _shape.Depth,
            new LinearOutput(_deviceW.Address, _shape.Columns, Floats.Address, IsFloat: true),
            new LinearOutput(_deviceW.Address, _shape.Columns, Elements.Address, IsFloat: false, Activation.Silu));

        public float[] Expected(Activation activation) => LinearReference.Apply(_x, _w, _shape.Depth, activation);

        public void Dispose()
        {
            _deviceX.Dispose();
            _deviceW.Dispose();
            Floats.Dispose();
            Elements.Dispose();
            _workspace.Dispose();
        }
    }
}
