using Loire.Kernels;

namespace Loire.Gpu.Tests.Kernels;

public sealed class ExpertsTests(Gpu gpu) : IClassFixture<Gpu>
{
    [GpuTheory]
    [InlineData(ExpertsPath.Any, ElementType.Float32, 3, 2, 20, 12, 6)]
    [InlineData(ExpertsPath.Any, ElementType.BFloat16, 9, 3, 33, 17, 5)]
    [InlineData(ExpertsPath.Stream, ElementType.BFloat16, 1, 2, 256, 256, 8)]
    [InlineData(ExpertsPath.Stream, ElementType.BFloat16, 1, 1, 64, 64, 1)]
    [InlineData(ExpertsPath.Stream, ElementType.BFloat16, 7, 2, 640, 192, 4)]
    [InlineData(ExpertsPath.Stream, ElementType.BFloat16, 40, 2, 256, 448, 8)]
    [InlineData(ExpertsPath.Stream, ElementType.BFloat16, 64, 8, 128, 64, 100)]
    [InlineData(ExpertsPath.Stream, ElementType.BFloat16, 300, 2, 192, 128, 4)]
    [InlineData(ExpertsPath.Stream, ElementType.BFloat16, 5, 2, 6144, 64, 3)]
    [InlineData(ExpertsPath.Prefill, ElementType.BFloat16, 3, 2, 64, 64, 4)]
    [InlineData(ExpertsPath.Prefill, ElementType.BFloat16, 400, 2, 448, 320, 3)]
    [InlineData(ExpertsPath.Prefill, ElementType.BFloat16, 300, 2, 1024, 640, 8)]
    public void Each_entry_is_its_experts_feed_forward_of_its_row(ExpertsPath path, ElementType type, int rows, int topK, int hidden, int width, int experts)
    {
        using var layer = new Layer(gpu, type, (hidden, width, experts), Distinct(rows, topK, experts), topK);

        layer.Enqueue(path);

        KernelAssert.Close(layer.Expected(), layer.Y.Download(), ElementBuffer.Rounding(type));
    }

    [GpuTheory]
    [InlineData(3)]
    [InlineData(20)]
    [InlineData(200)]
    public void All_rows_may_choose_one_expert(int rows)
    {
        using var layer = new Layer(gpu, ElementType.BFloat16, (128, 192, 16), Enumerable.Repeat(11, rows).ToArray(), 1);

        layer.Enqueue(ExpertsPath.Stream);

        KernelAssert.Close(layer.Expected(), layer.Y.Download(), ElementBuffer.Rounding(ElementType.BFloat16));
    }

    [GpuTheory]
    [InlineData(ExpertsPath.Any)]
    [InlineData(ExpertsPath.Stream)]
    [InlineData(ExpertsPath.Prefill)]
    public void Two_shards_together_are_the_whole(ExpertsPath path)
    {
        using var layer = new Layer(gpu, ElementType.BFloat16, (256, 128, 8), Distinct(10, 2, 8), 2);

        layer.Enqueue(path, firstExpert: 0, count: 3);
        layer.Enqueue(path, firstExpert: 3, count: 5);

        KernelAssert.Close(layer.Expected(), layer.Y.Download(), ElementBuffer.Rounding(ElementType.BFloat16));
    }

    [GpuFact]
    public void Experts_have_the_same_bits_each_time()
    {
        using var layer = new Layer(gpu, ElementType.BFloat16, (1024, 512, 8), Distinct(12, 2, 8), 2);
        layer.Enqueue(ExpertsPath.Stream);
        var first = layer.Y.Download();

        for (var i = 0; i < 20; i++)
        {
            layer.Y.Poison();
            layer.Enqueue(ExpertsPath.Stream);
            Assert.Equal(first, layer.Y.Download());
        }
    }

    private static int[] Distinct(int rows, int topK, int experts)
    {
        var random = new Random(5);
        return [.. Enumerable.Range(0, rows).SelectMany(_ => Enumerable.Range(0, experts).OrderBy(_ => random.Next()).Take(topK))];
    }

    private sealed class Layer : IDisposable
    {
        private readonly Gpu _gpu;
        private readonly ElementType _type;
        private readonly (int Hidden, int Width, int Experts) _shape;
        private readonly int[] _chosen;
        private readonly int _topK;
        private readonly (float[] X, float[] GateUp, float[] Down) _numbers;
        private readonly DeviceBuffer<byte> _x;
        private readonly DeviceBuffer<byte> _gateUp;
        private readonly DeviceBuffer<byte> _down;
        private readonly DeviceBuffer<int> _deviceChosen;
        private readonly DeviceBuffer<int> _offsets;
        private readonly DeviceBuffer<int> _order;
        private readonly ElementBuffer _activated;
        private readonly StreamWorkspace _workspace;
        private readonly Experts _experts;

        public Layer(Gpu gpu, ElementType type, (int Hidden, int Width, int Experts) shape, int[] chosen, int topK)
        {
            (_gpu, _type, _shape, _chosen, _topK) = (gpu, type, shape, chosen, topK);
            var matrix = shape.Experts * shape.Hidden * shape.Width;
            _numbers = (
                ElementBuffer.Kept(Numbers.Normal(1, chosen.Length / topK * shape.Hidden), type),
                ElementBuffer.Kept(Numbers.Normal(2, 2 * matrix, 1 / Math.Sqrt(shape.Hidden)), type),
                ElementBuffer.Kept(Numbers.Normal(3, matrix, 1 / Math.Sqrt(shape.Width)), type));
            _x = gpu.Upload(_numbers.X, type);
            _gateUp = gpu.Upload(_numbers.GateUp, type);
            _down = gpu.Upload(_numbers.Down, type);
            _deviceChosen = gpu.Upload(chosen, chosen.Length / topK, topK);
            _offsets = gpu.Poisoned<int>(1, shape.Experts + 1);
            _order = gpu.Poisoned<int>(1, chosen.Length);
            _activated = new ElementBuffer(gpu, type, chosen.Length, shape.Width);
            Y = gpu.Poisoned<float>(chosen.Length, shape.Hidden);
            _workspace = new StreamWorkspace(gpu.Device, gpu.Stream);
            _experts = new Experts(gpu.Module("Experts", type), type, _workspace, Experts.CanPrefill(gpu.Device, type) ? gpu.Module("ExpertsPrefill", type) : null);
            new Router(gpu.Module("Router", type), _workspace).Group(gpu.Stream, _deviceChosen.Vector, Groups);
        }

        public DeviceBuffer<float> Y { get; }

        private ExpertGroups Groups => new(_offsets.Vector, _order.Vector);

        public void Enqueue(ExpertsPath path, int firstExpert = 0, int count = 0)
        {
            var matrix = (ulong)(_shape.Hidden * _shape.Width * (_type is ElementType.BFloat16 ? 2 : 4));
            var weights = new ExpertWeights(
                _gateUp.Address + ((ulong)firstExpert * 2 * matrix), _down.Address + ((ulong)firstExpert * matrix),
                _shape.Hidden, _shape.Width, firstExpert, count == 0 ? _shape.Experts : count);
            _experts.Enqueue(_gpu.Stream, path, _x.Address, weights, _deviceChosen.Matrix, Groups, _activated.Address, Y.Matrix);
        }

        public float[] Expected() => ExpertsReference.Apply(
            _numbers.X, _numbers.GateUp, _numbers.Down, _chosen, _topK, _shape.Hidden, _shape.Width, value => ElementBuffer.Kept([value], _type)[0]);

        public void Dispose()
        {
            _x.Dispose();
            _gateUp.Dispose();
            _down.Dispose();
            _deviceChosen.Dispose();
            _offsets.Dispose();
            _order.Dispose();
            _activated.Dispose();
            Y.Dispose();
            _workspace.Dispose();
        }
    }
}
