using System.Runtime.Intrinsics;
using Loire.Engine.Backends.Cpu.Kernels;
using Loire.Engine.Models;
using Loire.Engine.State;
using Loire.Engine.Weights;

namespace Loire.Engine.Backends.Cpu.Layers;

/// <summary>Causal softmax attention of one layer over paged keys and values, with grouped queries and rotary positions.</summary>
/// <remarks>
/// <para>A page of a key-value head is a pair of panels for <see cref="TileKernel"/>: keys <c>[headDim, 64 tokens]</c>, then values <c>[64 tokens, headDim]</c>.</para>
/// <para>Softmax runs page by page with a running maximum and sum (Milakov and Gimelshein 2018; Dao et al. 2022), fp32 throughout.
/// A row's sums run over its pages in order, so its bits do not depend on the batch.</para>
/// <para>Projected row: q of all heads | k of all key-value heads | v of all key-value heads.</para>
/// </remarks>
internal sealed unsafe class SoftmaxMixer : IMixer
{
    private const int Page = StateShape.PageTokens;

    private readonly SoftmaxSpec _spec;
    private readonly PackedMatrix _input;
    private readonly PackedMatrix _output;
    private CpuBuffer<float>? _pages;

    public SoftmaxMixer(SoftmaxSpec spec, int hidden, IWeightSource weights)
    {
        _spec = spec;
        _input = PackedMatrix.Stack(
            hidden,
            weights.Get(spec.Query, QueryWidth, hidden),
            weights.Get(spec.Key, KeyWidth, hidden),
            weights.Get(spec.Value, KeyWidth, hidden));
        _output = PackedMatrix.Stack(QueryWidth, weights.Get(spec.Output, hidden, QueryWidth));
    }

    public int StateBytes => 0;

    public int KeyValueBytesPerToken => 2 * KeyWidth * sizeof(float);

    public long WeightBytes => _input.Bytes + _output.Bytes;

    public MixerShape Shape => new(ProjectedWidth, QueryWidth, _spec.HeadDim, QueriesPerKey);

    private int QueryWidth => _spec.Heads * _spec.HeadDim;

    private int KeyWidth => _spec.KeyValueHeads * _spec.HeadDim;

    private int ProjectedWidth => QueryWidth + (2 * KeyWidth);

    private int QueriesPerKey => _spec.Heads / _spec.KeyValueHeads;

    public void AllocateState(int slots, int pages, bool isCommitted)
    {
        _pages?.Dispose();
        _pages = new CpuBuffer<float>((long)pages * Page * KeyValueBytesPerToken / sizeof(float), isCommitted);
    }

    public void ClearState(int slot)
    {
    }

    /// <summary>Reads a page's first tokens as <c>keys [kvHeads, tokens, headDim]</c>, then values likewise.</summary>
    public void ReadPage(int page, int tokens, Span<float> blob)
    {
        CheckLength(tokens, blob.Length);
        for (var head = 0; head < _spec.KeyValueHeads; head++)
        {
            var keys = Keys(page, head);
            var target = blob.Slice(head * tokens * _spec.HeadDim, tokens * _spec.HeadDim);
            fixed (float* turned = target)
            {
                Transposition.Apply(keys, Page, turned, _spec.HeadDim, _spec.HeadDim, tokens);
            }

            new ReadOnlySpan<float>(Values(page, head), target.Length).CopyTo(blob[((_spec.KeyValueHeads + head) * target.Length)..]);
        }
    }

    /// <summary>The inverse of <see cref="ReadPage"/>.</summary>
    public void WritePage(int page, int tokens, ReadOnlySpan<float> blob)
    {
        CheckLength(tokens, blob.Length);
        for (var head = 0; head < _spec.KeyValueHeads; head++)
        {
            var keys = Keys(page, head);
            var source = blob.Slice(head * tokens * _spec.HeadDim, tokens * _spec.HeadDim);
            fixed (float* turned = source)
            {
                Transposition.Apply(turned, _spec.HeadDim, keys, Page, tokens, _spec.HeadDim);
            }

            blob.Slice((_spec.KeyValueHeads + head) * source.Length, source.Length).CopyTo(new Span<float>(Values(page, head), source.Length));
        }
    }

    public void Run(Worker worker, StepContext step)
    {
        step.Product(worker, _input, step.Buffers.Normed, step.Buffers.Widths.Hidden, new Copy(step.Buffers.Projected, ProjectedWidth, ProjectedWidth));
        step.Lap(worker, StepPart.Projections);
        RotateAndKeep(worker, step);
        worker.Barrier();
        Attend(worker, step);
        worker.Barrier();
        step.Lap(worker, StepPart.Attention);
        step.Product(worker, _output, step.Buffers.Mixed, QueryWidth, new Copy(step.Buffers.Output, step.Buffers.Widths.Hidden, step.Buffers.Widths.Hidden));
        step.Lap(worker, StepPart.Projections);
    }

    public void Dispose()
    {
        _input.Dispose();
        _output.Dispose();
        _pages?.Dispose();
    }

    /// <summary>Keys of a page and head, <c>[headDim, 64]</c>.</summary>
    private float* Keys(int page, int head) =>
        (_pages ?? throw new InvalidOperationException("The layer has no pages yet.")).Pointer
        + ((((long)page * _spec.KeyValueHeads) + head) * 2 * Page * _spec.HeadDim);

    /// <summary>Values of a page and head, <c>[64, headDim]</c>.</summary>
    private float* Values(int page, int head) => Keys(page, head) + (Page * _spec.HeadDim);

    private void CheckLength(int tokens, int floats)
    {
        if (floats != tokens * 2 * KeyWidth)
        {
            throw new ArgumentException($"{tokens} tokens of keys and values are {tokens * 2 * KeyWidth} floats, not {floats}.", nameof(floats));
        }
    }

    private void RotateAndKeep(Worker worker, StepContext step)
    {
        var scale = 1f / MathF.Sqrt(_spec.HeadDim);
        var half = _spec.RotaryDim / 2;
        var (first, end) = worker.Share(step.Batch.RowCount);
        for (var row = first; row < end; row++)
        {
            var cosines = step.Buffers.Cosines + ((long)row * half);
            var sines = step.Buffers.Sines + ((long)row * half);
            var projected = step.Buffers.Projected + ((long)row * ProjectedWidth);
            for (var head = 0; head < _spec.Heads; head++)
            {
                var q = projected + (head * _spec.HeadDim);
                Rope.Rotate(q, cosines, sines, half);
                for (var i = 0; i < _spec.HeadDim; i += TileKernel.Lanes)
                {
                    (Vector512.Load(q + i) * scale).Store(q + i);
                }
            }

            var position = step.Batch.Positions[row];
            var page = step.Batch.Sequences[step.Batch.SequenceOfRow[row]].Pages[position / Page];
            for (var head = 0; head < _spec.KeyValueHeads; head++)
            {
                var k = projected + QueryWidth + (head * _spec.HeadDim);
                Rope.Rotate(k, cosines, sines, half);
                Keep(k, k + KeyWidth, page, head, position % Page);
            }
        }
    }

    private void Keep(float* k, float* v, int page, int head, int offset)
    {
        var keys = Keys(page, head) + offset;
        for (var i = 0; i < _spec.HeadDim; i++)
        {
            keys[i * Page] = k[i];
        }

        new ReadOnlySpan<float>(v, _spec.HeadDim).CopyTo(new Span<float>(Values(page, head) + (offset * _spec.HeadDim), _spec.HeadDim));
    }

    private void Attend(Worker worker, StepContext step)
    {
        var tokensPerBlock = Math.Max(1, WorkerScratch.AttentionRows / QueriesPerKey);
        var items = 0;
        foreach (var sequence in step.Batch.Sequences)
        {
            items += BlocksOf(sequence, tokensPerBlock) * _spec.KeyValueHeads;
        }

        var index = 0;
        var before = 0;
        foreach (var item in step.Items(worker, items))
        {
            var sequence = step.Batch.Sequences[index];
            while (item - before >= BlocksOf(sequence, tokensPerBlock) * _spec.KeyValueHeads)
            {
                before += BlocksOf(sequence, tokensPerBlock) * _spec.KeyValueHeads;
                sequence = step.Batch.Sequences[++index];
            }

            // The last blocks look at the most pages: they go first, so that no worker ends on a long one.
            var block = BlocksOf(sequence, tokensPerBlock) - 1 - ((item - before) / _spec.KeyValueHeads);
            AttendBlock(step, sequence, (item - before) % _spec.KeyValueHeads, block * tokensPerBlock, tokensPerBlock, step.Scratch(worker));
        }
    }

    private static int BlocksOf(in StepSequence sequence, int tokensPerBlock) => (sequence.RowCount + tokensPerBlock - 1) / tokensPerBlock;

    /// <summary>Up to <paramref name="maxTokens"/> query tokens of one key-value head with all query heads that share it.</summary>
    private void AttendBlock(StepContext step, in StepSequence sequence, int head, int firstToken, int maxTokens, WorkerScratch own)
    {
        var dim = _spec.HeadDim;
        var tokens = Math.Min(maxTokens, sequence.RowCount - firstToken);
        var rowCount = tokens * QueriesPerKey;
        new Span<float>(own.Accumulated, rowCount * dim).Clear();
        new Span<float>(own.Sums, rowCount).Clear();
        new Span<float>(own.Maxima, rowCount).Fill(float.NegativeInfinity);
        var firstPosition = sequence.Start + firstToken;
        var keyCount = firstPosition + tokens;
        for (var page = 0; page * Page < keyCount; page++)
        {
            var pageKeys = Math.Min(Page, keyCount - (page * Page));
            for (var row = 0; row < rowCount; row++)
            {
                own.Rows[row] = Query(step, sequence, head, firstToken, row);
            }

            Tiles.Multiply(own.Rows, rowCount, Keys(sequence.Pages[page], head), Page, Page, dim, own.Scores, Page, accumulate: false);
            for (var row = 0; row < rowCount; row++)
            {
                // The number of keys of this page that the row's token may see.
                var visible = firstPosition + (row / QueriesPerKey) + 1 - (page * Page);
                own.Rows[row] = own.Scores + (row * Page);
                Softmax(own, row, Math.Min(visible, Page), dim);
            }

            Tiles.Multiply(own.Rows, rowCount, Values(sequence.Pages[page], head), dim, dim, pageKeys, own.Accumulated, dim, accumulate: true);
        }

        for (var row = 0; row < rowCount; row++)
        {
            var token = sequence.FirstRow + firstToken + (row / QueriesPerKey);
            var target = step.Buffers.Mixed + ((long)token * QueryWidth) + (((head * QueriesPerKey) + (row % QueriesPerKey)) * dim);
            var scale = Vector512.Create(1f / own.Sums[row]);
            for (var i = 0; i < dim; i += TileKernel.Lanes)
            {
                (Vector512.Load(own.Accumulated + (row * dim) + i) * scale).Store(target + i);
            }
        }
    }

    private float* Query(StepContext step, in StepSequence sequence, int head, int firstToken, int row) =>
        step.Buffers.Projected
        + ((long)(sequence.FirstRow + firstToken + (row / QueriesPerKey)) * ProjectedWidth)
        + (((head * QueriesPerKey) + (row % QueriesPerKey)) * _spec.HeadDim);

    /// <summary>Turns a row of scores into weights against the running maximum, which rescales what was accumulated when it rises.</summary>
    private static void Softmax(WorkerScratch own, int row, int visible, int dim)
    {
        var scores = own.Scores + (row * Page);
        if (visible <= 0)
        {
            new Span<float>(scores, Page).Clear();
            return;
        }

        Vector512<float> s0, s1, s2, s3;
        if (visible >= Page)
        {
            (s0, s1, s2, s3) = (Vector512.Load(scores), Vector512.Load(scores + 16), Vector512.Load(scores + 32), Vector512.Load(scores + 48));
        }
        else
        {
            (s0, s1, s2, s3) = (Masked(scores, 0, visible), Masked(scores, 16, visible), Masked(scores, 32, visible), Masked(scores, 48, visible));
        }

        var most = Vector512.MaxNative(Vector512.MaxNative(s0, s1), Vector512.MaxNative(s2, s3));
        var maximum = MathF.Max(own.Maxima[row], Largest(most));
        if (maximum > own.Maxima[row])
        {
            Rescale(own, row, dim, MathF.Exp(own.Maxima[row] - maximum));
            own.Maxima[row] = maximum;
        }

        var shift = Vector512.Create(maximum);
        s0 = VectorMath.Exp(s0 - shift);
        s1 = VectorMath.Exp(s1 - shift);
        s2 = VectorMath.Exp(s2 - shift);
        s3 = VectorMath.Exp(s3 - shift);
        s0.Store(scores);
        s1.Store(scores + 16);
        s2.Store(scores + 32);
        s3.Store(scores + 48);
        own.Sums[row] += Vector512.Sum((s0 + s1) + (s2 + s3));
    }

    private static Vector512<float> Masked(float* scores, int offset, int visible)
    {
        var lane = Vector512<int>.Indices + Vector512.Create(offset);
        return Vector512.ConditionalSelect(
            Vector512.LessThan(lane, Vector512.Create(visible)).AsSingle(),
            Vector512.Load(scores + offset),
            Vector512.Create(float.NegativeInfinity));
    }

    private static float Largest(Vector512<float> v)
    {
        var half = Vector256.MaxNative(v.GetLower(), v.GetUpper());
        var quarter = Vector128.MaxNative(half.GetLower(), half.GetUpper());
        return MathF.Max(MathF.Max(quarter[0], quarter[1]), MathF.Max(quarter[2], quarter[3]));
    }

    private static void Rescale(WorkerScratch own, int row, int dim, float factor)
    {
        own.Sums[row] *= factor;
        for (var i = 0; i < dim; i += TileKernel.Lanes)
        {
            var at = own.Accumulated + (row * dim) + i;
            (Vector512.Load(at) * factor).Store(at);
        }
    }
}
