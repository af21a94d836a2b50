using Loire.Kernels;

namespace Loire.Gpu.Tests.Kernels;

/// <summary>A layer of experts with random weights, for tests: what it computes is poisoned before.</summary>
internal sealed class ExpertsLayer : IDisposable
{
    private readonly Gpu _gpu;
    private readonly ElementType _type;
    private readonly (int Hidden, int Width, int Experts) _shape;
    private readonly int[] _chosen;
    private readonly int _topK;
    private readonly float[] _numbers;
    private readonly Matrices _gateUp;
    private readonly Matrices _down;
    private readonly DeviceBuffer<byte> _x;
    private readonly DeviceBuffer<int> _deviceChosen;
    private readonly DeviceBuffer<int> _offsets;
    private readonly DeviceBuffer<int> _order;
    private readonly ElementBuffer _activated;
    private readonly StreamWorkspace _workspace;
    private readonly ExpertScratch? _scratch;
    private readonly Experts _experts;

    /// <param name="gpu">Where it is.</param>
    /// <param name="type">Of activations.</param>
    /// <param name="weights">Of weights.</param>
    /// <param name="shape">Of the experts.</param>
    /// <param name="chosen">Experts of each row.</param>
    /// <param name="topK">How many a row has.</param>
    /// <param name="atOnce">Experts of 8 bits that are brain floats at once.</param>
    /// <param name="ofEightBits">Weights are numbers of 8 bits, whatever they are kept as.</param>
    public ExpertsLayer(Gpu gpu, ElementType type, WeightType weights, (int Hidden, int Width, int Experts) shape, int[] chosen, int topK, int atOnce = 2, bool ofEightBits = false)
    {
        (_gpu, _type, _shape, _chosen, _topK) = (gpu, type, shape, chosen, topK);
        _numbers = ElementBuffer.Kept(Numbers.Normal(1, chosen.Length / topK * shape.Hidden), type);
        _gateUp = new Matrices(gpu, type, weights, ofEightBits, seed: 2, 2 * shape.Experts, shape.Width, shape.Hidden);
        _down = new Matrices(gpu, type, weights, ofEightBits, seed: 3, shape.Experts, shape.Hidden, shape.Width);
        _x = gpu.Upload(_numbers, type);
        _deviceChosen = gpu.Upload(chosen, chosen.Length / topK, topK);
        _offsets = gpu.Poisoned<int>(1, shape.Experts + 1);
        _order = gpu.Poisoned<int>(1, chosen.Length);
        _activated = new ElementBuffer(gpu, type, chosen.Length, shape.Width);
        Y = gpu.Poisoned<float>(chosen.Length, shape.Hidden);
        _workspace = new StreamWorkspace(gpu.Device, gpu.Stream);
        _scratch = weights is WeightType.Float8 && ExpertScratch.BytesFor(shape.Hidden, shape.Width, atOnce) is > 0 and var bytes
            ? new ExpertScratch(new Quantise(gpu.Module("Quantise", type)), gpu.Device, bytes)
            : null;
        _experts = new Experts(
            gpu.Module("Experts", type, Experts.DefinesOf(weights)), type, _workspace, Experts.CanPrefill(gpu.Device, type) ? gpu.Module("ExpertsPrefill", type) : null, weights, _scratch);
        new Router(gpu.Module("Router", type), _workspace).Group(gpu.Stream, _deviceChosen.Vector, Groups);
    }

    public DeviceBuffer<float> Y { get; }

    private ExpertGroups Groups => new(_offsets.Vector, _order.Vector);

    /// <summary>Different experts for each row, in any order.</summary>
    public static int[] Distinct(int rows, int topK, int experts)
    {
        var random = new Random(5);
        return [.. Enumerable.Range(0, rows).SelectMany(_ => Enumerable.Range(0, experts).OrderBy(_ => random.Next()).Take(topK))];
    }

    public void Enqueue(ExpertsPath path, int firstExpert = 0, int count = 0)
    {
        var weights = new ExpertWeights(
            _gateUp.AddressOf(2 * firstExpert), _down.AddressOf(firstExpert), _shape.Hidden, _shape.Width, firstExpert, count == 0 ? _shape.Experts : count,
            _gateUp.ScalesOf(2 * firstExpert), _down.ScalesOf(firstExpert));
        _experts.Enqueue(_gpu.Stream, path, _x.Address, weights, _deviceChosen.Matrix, Groups, _activated.Address, Y.Matrix);
    }

    /// <summary>With the weights as they are kept.</summary>
    public float[] Expected() => ExpertsReference.Apply(
        _numbers, _gateUp.Numbers, _down.Numbers, _chosen, _topK, _shape.Hidden, _shape.Width, value => ElementBuffer.Kept([value], _type)[0]);

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
        _scratch?.Dispose();
    }

    /// <summary>Stacked matrices, on the device and as numbers.</summary>
    private sealed class Matrices : IDisposable
    {
        private readonly DeviceBuffer<byte> _weights;
        private readonly DeviceBuffer<float>? _scales;
        private readonly long _matrixBytes;
        private readonly long _scaleBytes;

        public Matrices(Gpu gpu, ElementType type, WeightType weights, bool ofEightBits, int seed, int count, int rows, int columns)
        {
            Numbers = ElementBuffer.Kept(Tests.Numbers.Normal(seed, (long)count * rows * columns, 1 / Math.Sqrt(columns)), type);
            var length = rows * columns;
            List<byte> codes = [];
            List<float> scales = [];
            for (var i = 0; i < count && (ofEightBits || weights is WeightType.Float8); i++)
            {
                var matrix = Numbers.AsSpan(i * length, length);
                Stretch(matrix, columns);
                var quantised = QuantiseReference.Apply(matrix, rows, columns);
                QuantiseReference.Back(quantised.Codes, quantised.Scales, rows, columns).CopyTo(matrix);
                codes.AddRange(quantised.Codes.Select(code => code.Bits));
                scales.AddRange(quantised.Scales);
            }

            if (weights is WeightType.Element)
            {
                _weights = gpu.Upload(Numbers, type);
                _matrixBytes = (long)length * (type is ElementType.BFloat16 ? sizeof(ushort) : sizeof(float));
                return;
            }

            _weights = gpu.Upload([.. codes], 1, codes.Count);
            _scales = gpu.Upload(scales.ToArray());
            _matrixBytes = length;
            _scaleBytes = BlockScales.CountOf(rows, columns) * sizeof(float);
        }

        public float[] Numbers { get; }

        public ulong AddressOf(int matrix) => _weights.Address + ((ulong)matrix * (ulong)_matrixBytes);

        public ulong ScalesOf(int matrix) => _scales is null ? 0 : _scales.Address + ((ulong)matrix * (ulong)_scaleBytes);

        public void Dispose()
        {
            _weights.Dispose();
            _scales?.Dispose();
        }

        /// <summary>Neighbouring blocks are of other sizes: a scale that is taken for another's shows.</summary>
        private static void Stretch(Span<float> matrix, int columns)
        {
            for (var i = 0; i < matrix.Length; i++)
            {
                var block = (i / columns / BlockScales.Block * 3) + (i % columns / BlockScales.Block);
                matrix[i] *= (block % 4) switch { 0 => 1, 1 => 0.25f, 2 => 2, _ => 0.5f };
            }
        }
    }
}
