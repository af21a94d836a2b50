using System.Runtime.InteropServices;
using Loire.Cuda;

namespace Loire.Kernels;

/// <summary><see cref="Attention"/> of sequences with one row, in bf16 with 64 or 128 channels: every key and value is read once for all queries that share it.</summary>
/// <remarks>
/// <para>A block has a sequence, a key-value head and a range of pages; ranges are brought together by a second kernel in their order. How many ranges there are goes by the
/// number of sequences of the step alone, so that a captured step suits every length; a row's bits depend on that number.</para>
/// <para>Cost: <c>4 · tokens · keyValueHeads · headDim</c> bytes for each sequence; bound by memory.</para>
/// <para>Source: Dao et al. 2023, Flash-Decoding; Kwon et al. 2023 for pages, arXiv:2309.06180.</para>
/// </remarks>
internal sealed class AttentionDecode
{
    private const int Threads = 128;
    private const int Warps = 4;
    private const int QueriesOfBlock = 16;
    private const int TokensOfWarp = 16;
    private const int Stages = 3;
    private const int MostSplits = 32; // a lane each, where they are brought together

    /// <summary>Two are on a multiprocessor at once; as many again wait, so that sequences of different lengths even out.</summary>
    private const int BlocksPerMultiprocessor = 4;

    private readonly CudaFunction<Parameters> _decode;
    private readonly CudaFunction<Parameters> _combine;
    private readonly AttentionShape _shape;
    private readonly int _multiprocessors;

    public AttentionDecode(CudaModule module, in AttentionShape shape)
    {
        shape.Check();
        _shape = shape;
        _multiprocessors = module.Device.Multiprocessors;
        _decode = module.Function<Parameters>($"attention_decode_{shape.HeadDim}", SharedBytes);
        _combine = module.Function<Parameters>($"attention_combine_{shape.HeadDim}");
    }

    /// <summary>Keys and values of 16 tokens, for each warp and stage.</summary>
    private int SharedBytes => Warps * Stages * 2 * TokensOfWarp * _shape.HeadDim * sizeof(ushort);

    private int BlocksOfSequence => _shape.KeyValueHeads * ((_shape.QueriesPerKey + QueriesOfBlock - 1) / QueriesOfBlock);

    public long ScratchLength(int sequences)
    {
        var splits = Splits(sequences * BlocksOfSequence, _multiprocessors);
        return splits == 1 ? 0 : (long)sequences * splits * _shape.Heads * (_shape.HeadDim + 2);
    }

    public void Enqueue(CudaStream stream, in StepInputs step, in AttentionOperands operands)
    {
        var splits = Splits(step.Sequences * BlocksOfSequence, _multiprocessors);
        if (operands.Scratch.Length < ScratchLength(step.Sequences))
        {
            throw new ArgumentException($"Attention of {step.Sequences} sequences in {splits} ranges needs {ScratchLength(step.Sequences)} numbers of scratch memory; there are {operands.Scratch.Length}.");
        }

        var parameters = new Parameters(
            operands.Queries.Address, operands.Layer.Keys, operands.Layer.Values, operands.Output, operands.Scratch.Address,
            step.Positions.Address, step.FirstRow.Address, step.RowCount.Address, step.PageTable.Address,
            operands.Queries.Stride, step.PageTable.Columns, _shape.Heads, _shape.KeyValueHeads, splits, _shape.ScaleLog2);
        _decode.Launch(stream, new LaunchGrid(BlocksOfSequence, step.Sequences, splits, Threads, SharedBytes, Launches.AreProgrammatic), parameters);
        if (splits > 1)
        {
            _combine.Launch(stream, new LaunchGrid(_shape.Heads, step.Sequences, 1, _shape.HeadDim, Programmatic: Launches.AreProgrammatic), parameters);
        }
    }

    /// <summary>Ranges of pages that a sequence is cut into, so that there is work for the whole GPU.</summary>
    /// <param name="blocks">Without cutting.</param>
    /// <param name="multiprocessors">Of the GPU.</param>
    internal static int Splits(int blocks, int multiprocessors) =>
        Math.Clamp(BlocksPerMultiprocessor * multiprocessors / Math.Max(1, blocks), 1, MostSplits);

    /// <summary>Field for field the <c>AttentionDecodeParameters</c> of AttentionDecode.cu.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public readonly record struct Parameters(
        ulong Queries, ulong Keys, ulong Values, ulong Output, ulong Partial, ulong Positions, ulong FirstRow, ulong RowCount, ulong PageTable,
        long QueryStride, long PageStride, int Heads, int KeyValueHeads, int Splits, float Scale);
}
