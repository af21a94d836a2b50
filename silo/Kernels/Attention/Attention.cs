using Loire.Cuda;

namespace Loire.Kernels;

/// <summary>Causal softmax attention over pages with grouped queries: <c>o = Σ_{j ≤ position} softmax_j(scale · q·k_j) v_j</c>.</summary>
/// <remarks>
/// <para>q: T, turned; keys and values: T, in pages, the step's own among them; o: T <c>[rows, heads · headDim]</c>. Scores, weights and sums are fp32; prefill
/// in bf16 rounds the weights to bf16 for their product with the values.</para>
/// <para>fp32, or headDim other than 64 and 128: one kernel, any shape with headDim at most 256, a row's bits independent of its batch. Otherwise single rows by
/// <see cref="AttentionDecode"/> and the rows of longer sequences by <see cref="AttentionPrefill"/>.</para>
/// <para>Meaning: <see cref="AttentionReference"/>.</para>
/// </remarks>
public sealed class Attention
{
    private readonly AttentionRows _rows;
    private readonly AttentionDecode? _decode;
    private readonly AttentionPrefill? _prefill;

    /// <param name="modules">Compiled sources by name, of the element type <paramref name="type"/>.</param>
    /// <param name="type">Of queries, keys, values and output.</param>
    /// <param name="shape">What will be asked for.</param>
    /// <param name="path">Of prefill in bf16; null: what suits the GPU.</param>
    public Attention(Func<string, CudaModule> modules, ElementType type, in AttentionShape shape, PrefillPath? path = null)
    {
        Shape = shape;
        _rows = new AttentionRows(modules(nameof(AttentionRows)), shape);
        if (IsFast(type, shape.HeadDim))
        {
            var decode = modules(nameof(AttentionDecode));
            _decode = new AttentionDecode(decode, shape);
            _prefill = new AttentionPrefill(modules, shape, path ?? Choose(decode.Device, shape.HeadDim));
        }
    }

    public AttentionShape Shape { get; }

    /// <summary>Numbers of scratch memory that steps of up to so many sequences need.</summary>
    public long ScratchLength(int mostSequences)
    {
        var most = 0L;
        for (var sequences = 1; _decode is not null && sequences <= mostSequences; sequences++)
        {
            most = Math.Max(most, _decode.ScratchLength(sequences));
        }

        return most;
    }

    /// <param name="stream">To run on.</param>
    /// <param name="step">Rows, sequences, pages.</param>
    /// <param name="queries">Rows of T, 16-byte aligned in bf16.</param>
    /// <param name="layer">Where keys and values are.</param>
    /// <param name="output">Address of T <c>[rows, heads · headDim]</c>.</param>
    /// <param name="scratch">At least <see cref="ScratchLength"/>; nobody else's while this runs.</param>
    public void Enqueue(CudaStream stream, in StepInputs step, ElementRows queries, in PagedLayer layer, ulong output, DeviceVector<float> scratch)
    {
        if (layer.Heads != Shape.KeyValueHeads || layer.HeadDim != Shape.HeadDim)
        {
            throw new ArgumentException($"The layer has {layer.Heads} heads of {layer.HeadDim}; this attention is for {Shape.KeyValueHeads} of {Shape.HeadDim}.", nameof(layer));
        }

        if (step.Rows == 0)
        {
            return;
        }

        var operands = new AttentionOperands(queries, layer, output, scratch);
        if (_decode is null || _prefill is null)
        {
            _rows.Enqueue(stream, step, operands);
            return;
        }

        _decode.Enqueue(stream, step, operands);
        if (!step.IsDecode)
        {
            _prefill.Enqueue(stream, step, operands);
        }
    }

    /// <summary>Products of warpgroups are there on compute capability 9.0 alone.</summary>
    internal static PrefillPath Choose(int computeMajor, int sharedBytes, int headDim) =>
        computeMajor == 9 && headDim == 128 && sharedBytes >= AttentionPrefill.SharedBytes(headDim, PrefillPath.Groups) ? PrefillPath.Groups : PrefillPath.Warps;

    private static PrefillPath Choose(CudaDevice device, int headDim) => Choose(device.ComputeMajor, device.SharedMemoryPerBlock, headDim);

    internal static bool IsFast(ElementType type, int headDim) => type is ElementType.BFloat16 && headDim is 64 or 128;
}

/// <summary>Form of softmax attention in a model.</summary>
/// <param name="Heads">Of queries.</param>
/// <param name="KeyValueHeads">Divides <paramref name="Heads"/>.</param>
/// <param name="HeadDim">Channels, at most 256.</param>
/// <param name="Scale">Of the scores; usually <c>headDim^−½</c>.</param>
public readonly record struct AttentionShape(int Heads, int KeyValueHeads, int HeadDim, float Scale)
{
    private const int MostHeadDim = 256;

    /// <summary>The kernels' scores are powers of two.</summary>
    internal float ScaleLog2 => (float)(Scale * Math.Log2(Math.E));

    internal int QueriesPerKey => Heads / KeyValueHeads;

    /// <exception cref="ArgumentException">It is none.</exception>
    internal void Check()
    {
        if (KeyValueHeads < 1 || Heads % KeyValueHeads != 0 || HeadDim is < 1 or > MostHeadDim)
        {
            throw new ArgumentException($"Attention with {Heads} heads over {KeyValueHeads} of {HeadDim} channels: the second number has to divide the first, and the third be at most {MostHeadDim}.");
        }
    }
}

/// <summary>What attention of one layer reads and writes.</summary>
internal readonly record struct AttentionOperands(ElementRows Queries, PagedLayer Layer, ulong Output, DeviceVector<float> Scratch);
