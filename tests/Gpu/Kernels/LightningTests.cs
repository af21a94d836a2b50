using Loire.Kernels;

namespace Loire.Gpu.Tests.Kernels;

public sealed class LightningTests(Gpu gpu) : IClassFixture<Gpu>
{
    /// <summary>Sums of products of inputs with 16 bits, a few hundred of them, in fp32.</summary>
    private const double ChunkRounding = 1e-4;

    [GpuTheory]
    [InlineData(ElementType.Float32, 3, 20)]
    [InlineData(ElementType.Float32, 2, 128)]
    [InlineData(ElementType.BFloat16, 1, 1)]
    [InlineData(ElementType.BFloat16, 5, 40)]
    [InlineData(ElementType.BFloat16, 5, 64)]
    [InlineData(ElementType.BFloat16, 3, 128)]
    [InlineData(ElementType.BFloat16, 64, 128)]
    public void A_decode_step_reads_and_writes_each_sequences_state(ElementType type, int heads, int headDim)
    {
        using var step = new PackedStep(gpu, (0, 1), (5, 1), (1000, 1), (63, 1), (64, 1), (7, 1));
        using var lightning = new Run(gpu, type, step, heads, headDim);

        lightning.Enqueue();

        lightning.Check(KernelAssert.FloatRounding);
    }

    [GpuTheory]
    [InlineData(5, 40)]
    [InlineData(5, 64)]
    [InlineData(64, 128)]
    public void A_decode_step_takes_fp32_inputs_without_rounding_them(int heads, int headDim)
    {
        using var step = new PackedStep(gpu, (0, 1), (5, 1), (1000, 1), (63, 1));
        using var lightning = new Run(gpu, ElementType.BFloat16, step, heads, headDim, isQkvFloat: true);

        lightning.Enqueue();

        lightning.Check(KernelAssert.FloatRounding);
    }

    [GpuTheory]
    [InlineData(ElementType.Float32, 3, 20)]
    [InlineData(ElementType.Float32, 2, 128)]
    [InlineData(ElementType.BFloat16, 5, 40)]
    [InlineData(ElementType.BFloat16, 5, 64)]
    [InlineData(ElementType.BFloat16, 4, 128)]
    public void Pieces_of_prompts_go_on_from_their_states_beside_decode_rows(ElementType type, int heads, int headDim)
    {
        using var step = new PackedStep(gpu, (0, 200), (5, 1), (100, 3), (63, 66), (64, 64), (7, 1), (1, 2));
        using var lightning = new Run(gpu, type, step, heads, headDim);

        lightning.Enqueue();

        lightning.Check(ChunkRounding);
    }

    [GpuTheory]
    [InlineData(64)]
    [InlineData(128)]
    public void Slow_and_fast_decays_keep_their_precision_over_many_chunks(int headDim)
    {
        using var step = new PackedStep(gpu, (0, 3000));
        using var lightning = new Run(gpu, ElementType.BFloat16, step, heads: 2, headDim, [0.917f, 4e-5f]);

        lightning.Enqueue();

        lightning.Check(2 * ChunkRounding);
    }

    [GpuTheory]
    [InlineData(ElementType.Float32, 20)]
    [InlineData(ElementType.BFloat16, 64)]
    [InlineData(ElementType.BFloat16, 128)]
    public void A_prompt_has_the_same_bits_alone_and_beside_others(ElementType type, int headDim)
    {
        using var together = new PackedStep(gpu, (0, 130), (9, 1), (40, 77));
        using var alone = new PackedStep(gpu, (0, 130));
        using var batched = new Run(gpu, type, together, heads: 2, headDim);
        using var single = new Run(gpu, type, alone, heads: 2, headDim);

        batched.Enqueue();
        single.Enqueue();

        Assert.Equal(batched.Output.Download()[..(130 * 2 * headDim)], single.Output.Download());
    }

    private sealed class Run : IDisposable
    {
        private readonly Gpu _gpu;
        private readonly PackedStep _step;
        private readonly int _heads;
        private readonly int _headDim;
        private readonly float[] _qkv;
        private readonly float[] _state;
        private readonly float[] _slopes;
        private readonly int _stride;
        private readonly bool _isQkvFloat;
        private readonly DeviceBuffer<byte> _deviceQkv;
        private readonly DeviceBuffer<float> _deviceState;
        private readonly DeviceBuffer<float> _deviceSlopes;
        private readonly DeviceBuffer<float> _deviceDecays;
        private readonly Loire.Kernels.Lightning _lightning;

        public Run(Gpu gpu, ElementType type, PackedStep step, int heads, int headDim, float[]? slopes = null, bool isQkvFloat = false)
        {
            (_gpu, _step, _heads, _headDim, _isQkvFloat) = (gpu, step, heads, headDim, isQkvFloat);
            var qkvType = isQkvFloat ? ElementType.Float32 : type;
            _stride = (heads * 3 * headDim) + 16; // part of wider rows
            _slopes = slopes ?? [.. Enumerable.Range(0, heads).Select(head => (float)Math.Pow(2, -8.0 * (head + 1) / heads))];
            _qkv = ElementBuffer.Kept(Numbers.Normal(1, (long)step.Rows * _stride), qkvType);
            _state = Numbers.Normal(2, (long)step.SlotCount * heads * headDim * headDim);
            var length = heads * headDim * headDim;
            Numbers.Normal(3, length).CopyTo(_state.AsSpan(step.Slots[0] * length)); // the first sequence starts from the same state in every step
            _deviceQkv = gpu.Upload(_qkv, qkvType);
            _deviceState = gpu.Upload(_state);
            _deviceSlopes = gpu.Upload(_slopes);
            _deviceDecays = gpu.Upload(Array.ConvertAll(_slopes, slope => (float)Math.Exp(-(double)slope)));
            Output = gpu.Poisoned<float>(step.Rows, heads * headDim);
            _lightning = new Loire.Kernels.Lightning(name => gpu.Module(name, type), type, headDim);
        }

        public DeviceBuffer<float> Output { get; }

        public void Enqueue() => _lightning.Enqueue(_gpu.Stream, _step.Inputs, new LightningOperands(
            _heads, _headDim, new ElementRows(_deviceQkv.Address, _stride), _deviceState.Vector, _deviceSlopes.Vector, _deviceDecays.Vector, Output.Matrix, _isQkvFloat));

        public void Check(double tolerance)
        {
            var state = Array.ConvertAll(_state, value => (double)value);
            var output = new float[_step.Rows * _heads * _headDim];
            for (var sequence = 0; sequence < _step.Sequences.Length; sequence++)
            {
                for (var head = 0; head < _heads; head++)
                {
                    Apply(sequence, head, state, output);
                }
            }

            KernelAssert.Close(output, Output.Download(), tolerance);
            KernelAssert.Close(Array.ConvertAll(state, value => (float)value), _deviceState.Download(), tolerance);
        }

        public void Dispose()
        {
            _deviceQkv.Dispose();
            _deviceState.Dispose();
            _deviceSlopes.Dispose();
            _deviceDecays.Dispose();
            Output.Dispose();
        }

        private void Apply(int sequence, int head, double[] state, float[] output)
        {
            var rows = _step.Sequences[sequence].Rows;
            var first = _step.FirstRows[sequence];
            var width = 3 * _headDim;
            var qkv = new float[rows * width];
            for (var row = 0; row < rows; row++)
            {
                _qkv.AsSpan(((first + row) * _stride) + (head * width), width).CopyTo(qkv.AsSpan(row * width));
            }

            var length = _headDim * _headDim;
            var own = state.AsSpan(((_step.Slots[sequence] * _heads) + head) * length, length);
            var result = LightningReference.Apply(qkv, own, Math.Exp(-(double)_slopes[head]), _headDim);
            for (var i = 0; i < result.Length; i++)
            {
                output[((((first + (i / _headDim)) * _heads) + head) * _headDim) + (i % _headDim)] = (float)result[i];
            }
        }
    }
}
