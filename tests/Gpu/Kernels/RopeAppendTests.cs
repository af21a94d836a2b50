using Loire.Kernels;

namespace Loire.Gpu.Tests.Kernels;

public sealed class RopeAppendTests(Gpu gpu) : IClassFixture<Gpu>
{
    [GpuTheory]
    [InlineData(ElementType.Float32, 3, 1, 24, 16)]
    [InlineData(ElementType.Float32, 2, 2, 10, 10)]
    [InlineData(ElementType.BFloat16, 8, 2, 64, 64)]
    [InlineData(ElementType.BFloat16, 64, 8, 128, 64)]
    public void Queries_are_turned_in_place_and_keys_and_values_go_to_their_pages(ElementType type, int heads, int keyHeads, int headDim, int rotary)
    {
        using var step = new PackedStep(gpu, (0, 2), (62, 5), (20_000, 1), (63, 1));
        var stride = ((heads + (2 * keyHeads)) * headDim) + 8;
        var input = ElementBuffer.Kept(Numbers.Normal(1, step.Rows * stride), type);
        var frequencies = RopeReference.InverseFrequencies(rotary, 1e7);
        var length = step.PageCount * keyHeads * PagedLayer.PageTokens * headDim;
        using var deviceInput = gpu.Upload(input, type);
        using var deviceFrequencies = gpu.Upload(frequencies);
        using var keys = new ElementBuffer(gpu, type, 1, length);
        using var values = new ElementBuffer(gpu, type, 1, length);
        using var queries = new ElementBuffer(gpu, type, step.Rows, heads * headDim);
        var rope = new RopeAppend(gpu.Module("RopeAppend", type));
        var layer = new PagedLayer(keys.Address, values.Address, keyHeads, headDim);

        rope.Enqueue(gpu.Stream, step.Inputs, new ElementRows(deviceInput.Address, stride), new ElementRows(queries.Address, heads * headDim), heads, layer, deviceFrequencies.Vector);
        var apart = queries.Download();
        rope.Enqueue(gpu.Stream, step.Inputs, new ElementRows(deviceInput.Address, stride), new ElementRows(deviceInput.Address, stride), heads, layer, deviceFrequencies.Vector);

        var (foundKeys, foundValues) = (keys.Download(), values.Download());
        var expected = new Expected(step, input, stride, heads, keyHeads, headDim, frequencies);
        KernelAssert.Close(expected.Queries, apart, ElementBuffer.Rounding(type));
        KernelAssert.Close(expected.Keys, expected.Gather(foundKeys), ElementBuffer.Rounding(type));
        Assert.Equal(expected.Values, expected.Gather(foundValues));
        Assert.Equal(length - expected.Values.Length, foundKeys.Count(float.IsNaN)); // nothing else was written
        Assert.Equal(length - expected.Values.Length, foundValues.Count(float.IsNaN));
        var inPlace = type is ElementType.BFloat16
            ? Numbers.AsFloat(System.Runtime.InteropServices.MemoryMarshal.Cast<byte, Loire.Cuda.BFloat16>(deviceInput.Download()).ToArray())
            : System.Runtime.InteropServices.MemoryMarshal.Cast<byte, float>(deviceInput.Download()).ToArray();
        Assert.Equal(apart, Enumerable.Range(0, step.Rows).SelectMany(row => inPlace.Skip(row * stride).Take(heads * headDim)));
    }

    [GpuFact]
    public void Fp32_inputs_are_rounded_once_after_they_were_turned()
    {
        const int heads = 4;
        const int headDim = 64;
        const int stride = (heads + 2) * headDim;
        using var step = new PackedStep(gpu, (0, 2), (62, 5), (20_000, 1));
        var input = Numbers.Normal(1, step.Rows * stride);
        var frequencies = RopeReference.InverseFrequencies(32, 1e7);
        var length = step.PageCount * PagedLayer.PageTokens * headDim;
        using var deviceInput = gpu.Upload(input);
        using var deviceFrequencies = gpu.Upload(frequencies);
        using var keys = new ElementBuffer(gpu, ElementType.BFloat16, 1, length);
        using var values = new ElementBuffer(gpu, ElementType.BFloat16, 1, length);
        using var queries = new ElementBuffer(gpu, ElementType.BFloat16, step.Rows, heads * headDim);

        new RopeAppend(gpu.Module("RopeAppend", ElementType.BFloat16)).Enqueue(
            gpu.Stream, step.Inputs, new ElementRows(deviceInput.Address, stride), new ElementRows(queries.Address, heads * headDim), heads,
            new PagedLayer(keys.Address, values.Address, 1, headDim), deviceFrequencies.Vector, isQkvFloat: true);

        var expected = new Expected(step, input, stride, heads, 1, headDim, frequencies);
        AssertRoundedOnce(expected.Queries, queries.Download());
        AssertRoundedOnce(expected.Keys, expected.Gather(keys.Download()));
        AssertRoundedOnce(expected.Values, expected.Gather(values.Download()));
    }

    /// <summary>
    /// A bf16 has 8 bits from the highest one on, so its neighbours are <c>2^−7</c> of that bit away: the nearest one is at most <c>2^−8</c> of it away.
    /// What was formed in fp32 before may be off by some <c>2^−23</c> of the inputs, which are below 8.
    /// </summary>
    private static void AssertRoundedOnce(float[] expected, float[] actual)
    {
        const double fp32 = 8 * 4 / 8388608.0;
        Assert.Equal(expected.Length, actual.Length);
        for (var i = 0; i < expected.Length; i++)
        {
            var halfStep = Math.ScaleB(1, Math.ILogB(expected[i]) - 8);
            Assert.True(Math.Abs(actual[i] - expected[i]) <= halfStep + fp32, $"Element {i} is {actual[i]:R}, expected {expected[i]:R} rounded once.");
        }
    }

    /// <summary>What a step of rows has to leave behind, keys and values in the order of rows and heads.</summary>
    private sealed class Expected
    {
        private readonly PackedStep _step;
        private readonly int _keyHeads;
        private readonly int _headDim;

        public Expected(PackedStep step, float[] input, int stride, int heads, int keyHeads, int headDim, float[] frequencies)
        {
            (_step, _keyHeads, _headDim) = (step, keyHeads, headDim);
            for (var row = 0; row < step.Rows; row++)
            {
                for (var head = 0; head < heads + (2 * keyHeads); head++)
                {
                    var source = input.AsSpan((row * stride) + (head * headDim), headDim).ToArray();
                    var turned = Array.ConvertAll(source, value => (double)value);
                    RopeReference.Turn(turned, frequencies, step.Positions[row]);
                    var list = head < heads ? QueryList : KeyList;
                    if (head < heads + keyHeads)
                    {
                        list.AddRange(turned.Select(value => (float)value));
                    }
                    else
                    {
                        ValueList.AddRange(source);
                    }
                }
            }
        }

        public float[] Queries => [.. QueryList];

        public float[] Keys => [.. KeyList];

        public float[] Values => [.. ValueList];

        private List<float> QueryList { get; } = [];

        private List<float> KeyList { get; } = [];

        private List<float> ValueList { get; } = [];

        public float[] Gather(float[] pages) =>
        [
            .. Enumerable.Range(0, _step.Rows).SelectMany(row => Enumerable.Range(0, _keyHeads).SelectMany(head =>
                pages.Skip(_step.Offset(_step.SequenceOfRow[row], _step.Positions[row], head, _keyHeads, _headDim)).Take(_headDim))),
        ];
    }
}
