using Loire.Kernels;

namespace Loire.Gpu.Tests.Kernels;

public sealed class AttentionTests(Gpu gpu) : IClassFixture<Gpu>
{
    /// <summary>Prefill: weights that sum to one, rounded to bf16 each, and a result in bf16: twice that of the result.</summary>
    private const double WeightRounding = 2 * KernelAssert.BFloat16Rounding;

    [GpuTheory]
    [InlineData(ElementType.Float32, 3, 1, 24)]
    [InlineData(ElementType.Float32, 4, 2, 128)]
    [InlineData(ElementType.Float32, 1, 1, 250)]
    [InlineData(ElementType.BFloat16, 6, 3, 40)]
    [InlineData(ElementType.BFloat16, 4, 2, 64)]
    [InlineData(ElementType.BFloat16, 16, 2, 128)]
    [InlineData(ElementType.BFloat16, 20, 1, 128)]
    public void A_decode_row_sees_every_position_up_to_its_own_and_no_other(ElementType type, int heads, int keyHeads, int headDim)
    {
        using var step = new PackedStep(gpu, (0, 1), (1, 1), (62, 1), (63, 1), (64, 1), (700, 1), (2500, 1));
        using var attention = new Run(gpu, type, step, heads, keyHeads, headDim);

        attention.Enqueue();

        attention.Check(ElementBuffer.Rounding(type));
    }

    [GpuTheory]
    [InlineData(ElementType.Float32, 3, 1, 24)]
    [InlineData(ElementType.BFloat16, 6, 3, 40)]
    [InlineData(ElementType.BFloat16, 3, 1, 64)]
    [InlineData(ElementType.BFloat16, 4, 2, 128)]
    public void Rows_of_a_prompt_see_what_came_before_them_beside_decode_rows(ElementType type, int heads, int keyHeads, int headDim)
    {
        using var step = new PackedStep(gpu, (0, 260), (62, 1), (63, 2), (300, 5), (500, 1), (0, 3), (61, 130));
        using var attention = new Run(gpu, type, step, heads, keyHeads, headDim);

        attention.Enqueue();

        attention.Check(type is ElementType.BFloat16 ? WeightRounding : KernelAssert.FloatRounding);
    }

    [GpuTheory]
    [InlineData(64)]
    [InlineData(128)]
    public void Forty_sequences_of_a_step_are_cut_into_tiles_without_a_gap(int headDim)
    {
        using var step = new PackedStep(gpu, [.. Enumerable.Range(0, 40).Select(i => (i * 3, 1 + (i % 3)))]);
        using var attention = new Run(gpu, ElementType.BFloat16, step, heads: 2, keyHeads: 1, headDim);

        attention.Enqueue();

        attention.Check(WeightRounding);
    }

    [GpuTheory]
    [InlineData(1)]
    [InlineData(300)]
    public void A_batch_that_fills_the_gpu_is_not_split_and_means_the_same(int sequences)
    {
        using var step = new PackedStep(gpu, [.. Enumerable.Range(0, sequences).Select(i => ((i % 50 * 7) + 100, 1))]);
        using var attention = new Run(gpu, ElementType.BFloat16, step, heads: 16, keyHeads: 2, headDim: 128);

        attention.Enqueue();

        attention.Check(KernelAssert.BFloat16Rounding);
    }

    [GpuTheory]
    [InlineData(PrefillPath.Warps)]
    [InlineData(PrefillPath.Groups)]
    public void Products_of_warps_and_of_warpgroups_mean_the_same_and_have_the_same_bits_in_every_batch(PrefillPath path)
    {
        if (path is PrefillPath.Groups && gpu.Device.ComputeMajor != 9)
        {
            return; // this GPU has none
        }

        using var step = new PackedStep(gpu, (0, 260), (62, 1), (63, 2), (300, 5), (61, 130), (1000, 200));
        using var alone = new PackedStep(gpu, (0, 260));
        using var attention = new Run(gpu, ElementType.BFloat16, step, heads: 4, keyHeads: 2, headDim: 128, path);
        using var single = new Run(gpu, ElementType.BFloat16, alone, heads: 4, keyHeads: 2, headDim: 128, path);

        attention.Enqueue();
        single.Enqueue();

        attention.Check(WeightRounding);
        Assert.Equal(attention.Output.Download()[..(260 * 4 * 128)], single.Output.Download());
    }

    [GpuTheory]
    [InlineData(64)]
    [InlineData(128)]
    public void A_prompt_has_the_same_bits_alone_and_beside_others(int headDim)
    {
        using var together = new PackedStep(gpu, (30, 150), (9, 1), (40, 77));
        using var alone = new PackedStep(gpu, (30, 150));
        using var batched = new Run(gpu, ElementType.BFloat16, together, heads: 2, keyHeads: 1, headDim);
        using var single = new Run(gpu, ElementType.BFloat16, alone, heads: 2, keyHeads: 1, headDim);

        batched.Enqueue();
        single.Enqueue();

        Assert.Equal(batched.Output.Download()[..(150 * 2 * headDim)], single.Output.Download());
    }

    private sealed class Run : IDisposable
    {
        private readonly Gpu _gpu;
        private readonly PackedStep _step;
        private readonly AttentionShape _shape;
        private readonly int _stride;
        private readonly float[] _queries;
        private readonly float[] _keys;
        private readonly float[] _values;
        private readonly DeviceBuffer<byte> _deviceQueries;
        private readonly DeviceBuffer<byte> _deviceKeys;
        private readonly DeviceBuffer<byte> _deviceValues;
        private readonly DeviceBuffer<float> _scratch;
        private readonly Attention _attention;

        public Run(Gpu gpu, ElementType type, PackedStep step, int heads, int keyHeads, int headDim, PrefillPath? path = null)
        {
            (_gpu, _step) = (gpu, step);
            _shape = new AttentionShape(heads, keyHeads, headDim, (float)(1 / Math.Sqrt(headDim)));
            _stride = (heads * headDim) + 8;
            _queries = ElementBuffer.Kept(Numbers.Normal(1, step.Rows * _stride, 2), type);
            var length = step.PageCount * keyHeads * PagedLayer.PageTokens * headDim;
            _keys = Enumerable.Repeat(float.NaN, length).ToArray(); // what no token has written is never looked at
            _values = [.. _keys];
            for (var sequence = 0; sequence < step.Sequences.Length; sequence++)
            {
                Fill(sequence, type);
            }

            _deviceQueries = gpu.Upload(_queries, type);
            _deviceKeys = gpu.Upload(_keys, type);
            _deviceValues = gpu.Upload(_values, type);
            Output = new ElementBuffer(gpu, type, step.Rows, heads * headDim);
            _attention = new Attention(name => gpu.Module(name, type), type, _shape, path);
            _scratch = gpu.Poisoned<float>(1, _attention.ScratchLength(step.Sequences.Length));
        }

        public ElementBuffer Output { get; }

        public void Enqueue() => _attention.Enqueue(
            _gpu.Stream, _step.Inputs, new ElementRows(_deviceQueries.Address, _stride),
            new PagedLayer(_deviceKeys.Address, _deviceValues.Address, _shape.KeyValueHeads, _shape.HeadDim), Output.Address, _scratch.Vector);

        public void Check(double tolerance)
        {
            var expected = new float[_step.Rows * _shape.Heads * _shape.HeadDim];
            for (var row = 0; row < _step.Rows; row++)
            {
                for (var head = 0; head < _shape.Heads; head++)
                {
                    var query = _queries.AsSpan((row * _stride) + (head * _shape.HeadDim), _shape.HeadDim);
                    var keyHead = head / (_shape.Heads / _shape.KeyValueHeads);
                    var result = AttentionReference.Apply(query, Seen(_keys, row, keyHead), Seen(_values, row, keyHead), _shape.Scale);
                    Array.ConvertAll(result, value => (float)value).CopyTo(expected, ((row * _shape.Heads) + head) * _shape.HeadDim);
                }
            }

            KernelAssert.Close(expected, Output.Download(), tolerance);
        }

        public void Dispose()
        {
            _deviceQueries.Dispose();
            _deviceKeys.Dispose();
            _deviceValues.Dispose();
            _scratch.Dispose();
            Output.Dispose();
        }

        private void Fill(int sequence, ElementType type)
        {
            var (start, rows) = _step.Sequences[sequence];
            var width = _shape.KeyValueHeads * _shape.HeadDim;
            var keys = ElementBuffer.Kept(Numbers.Normal(100 + sequence, (start + rows) * width), type);
            var values = ElementBuffer.Kept(Numbers.Normal(500 + sequence, (start + rows) * width), type);
            for (var token = 0; token < start + rows; token++)
            {
                for (var head = 0; head < _shape.KeyValueHeads; head++)
                {
                    var offset = _step.Offset(sequence, token, head, _shape.KeyValueHeads, _shape.HeadDim);
                    var source = (token * width) + (head * _shape.HeadDim);
                    Array.Copy(keys, source, _keys, offset, _shape.HeadDim);
                    Array.Copy(values, source, _values, offset, _shape.HeadDim);
                }
            }
        }

        private float[] Seen(float[] pages, int row, int head)
        {
            var seen = new float[(_step.Positions[row] + 1) * _shape.HeadDim];
            for (var token = 0; token <= _step.Positions[row]; token++)
            {
                Array.Copy(pages, _step.Offset(_step.SequenceOfRow[row], token, head, _shape.KeyValueHeads, _shape.HeadDim), seen, token * _shape.HeadDim, _shape.HeadDim);
            }

            return seen;
        }
    }
}
