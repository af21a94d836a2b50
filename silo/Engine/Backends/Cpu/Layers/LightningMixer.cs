using System.Runtime.Intrinsics;
using Loire.Engine.Backends.Cpu.Kernels;
using Loire.Engine.Models;
using Loire.Engine.State;
using Loire.Engine.Weights;

namespace Loire.Engine.Backends.Cpu.Layers;

/// <summary>Lightning attention of one layer: weights, and its part of every slot's state.</summary>
/// <remarks>
/// <para>State of a head: <c>S[headDim, headDim]</c> fp32 in [k, v] order. One token: <c>S ← λS + k ⊗ v; o = qᵀS</c>.</para>
/// <para>
/// Several tokens, in chunks of up to 64 with m tokens, i and j inside the chunk, S before it:
/// <c>o_i = λ^(i+1) q_iᵀS + Σ_{j≤i} λ^(i−j) (q_i·k_j) v_j</c>, then <c>S ← λ^m S + Σ_j λ^(m−1−j) k_j ⊗ v_j</c>.
/// </para>
/// <para>Projected row: per head q | k | v, head after head, then the gate of all heads.</para>
/// </remarks>
internal sealed unsafe class LightningMixer : IMixer
{
    private const int Chunk = StateShape.PageTokens;

    private readonly LightningSpec _spec;
    private readonly PackedMatrix _input;
    private readonly PackedMatrix _output;
    private readonly CpuBuffer<float> _norm;
    private readonly CpuBuffer<float> _powers; // per head: λ^63 ... λ^0, then 64 zeros, so that λ^(i-j) for rising j is one load, masked beyond i
    private CpuBuffer<float>? _states;

    public LightningMixer(LightningSpec spec, int hidden, IWeightSource weights)
    {
        _spec = spec;
        var width = spec.Heads * spec.HeadDim;
        _input = PackedMatrix.Stack(hidden, weights.Get(spec.QkvProjection, 3 * width, hidden), weights.Get(spec.OutputGate, width, hidden));
        _output = PackedMatrix.Stack(width, weights.Get(spec.OutputProjection, hidden, width));
        _norm = Vectors.Load(weights, spec.Norm, width);
        _powers = new CpuBuffer<float>((long)spec.Heads * 2 * Chunk);
        for (var head = 0; head < spec.Heads; head++)
        {
            for (var n = 0; n < Chunk; n++)
            {
                _powers.Pointer[(head * 2 * Chunk) + Chunk - 1 - n] = (float)Math.Exp(-(double)spec.Slopes[head] * n);
            }
        }
    }

    public int StateBytes => _spec.Heads * _spec.HeadDim * _spec.HeadDim * sizeof(float);

    public int KeyValueBytesPerToken => 0;

    public long WeightBytes => _input.Bytes + _output.Bytes + _norm.Bytes;

    public MixerShape Shape => new(ProjectedWidth, Width, _spec.HeadDim, QueriesPerKey: 1);

    private int Width => _spec.Heads * _spec.HeadDim;

    private int ProjectedWidth => 4 * Width;

    public void AllocateState(int slots, int pages, bool isCommitted)
    {
        _states?.Dispose();
        _states = new CpuBuffer<float>((long)slots * StateBytes / sizeof(float), isCommitted);
    }

    public void ClearState(int slot) => StateBytesOf(slot).Clear();

    /// <summary>The state of a slot, in the canonical layout as it stands.</summary>
    public Span<byte> StateBytesOf(int slot) => new(State(slot), StateBytes);

    /// <summary><c>[heads, headDim, headDim]</c></summary>
    private float* State(int slot) => (_states ?? throw new InvalidOperationException("The layer has no slots yet.")).Pointer + ((long)slot * StateBytes / sizeof(float));

    public void Run(Worker worker, StepContext step)
    {
        step.Product(worker, _input, step.Buffers.Normed, step.Buffers.Widths.Hidden, new Activate(step.Buffers.Projected, ProjectedWidth, 3 * Width));
        step.Lap(worker, StepPart.Projections);
        Mix(worker, step);
        worker.Barrier();
        step.Lap(worker, StepPart.Lightning);
        NormAndGate(worker, step);
        worker.Barrier();
        step.Product(worker, _output, step.Buffers.Mixed, Width, new Copy(step.Buffers.Output, step.Buffers.Widths.Hidden, step.Buffers.Widths.Hidden));
        step.Lap(worker, StepPart.Projections);
    }

    public void Dispose()
    {
        _input.Dispose();
        _output.Dispose();
        _norm.Dispose();
        _powers.Dispose();
        _states?.Dispose();
    }

    private void Mix(Worker worker, StepContext step)
    {
        var sequences = step.Batch.Sequences;
        foreach (var item in step.Items(worker, sequences.Length * _spec.Heads))
        {
            var sequence = sequences[item / _spec.Heads];
            var head = item % _spec.Heads;
            var state = State(sequence.Slot) + ((long)head * _spec.HeadDim * _spec.HeadDim);
            var qkv = step.Buffers.Projected + ((long)sequence.FirstRow * ProjectedWidth) + ((long)head * 3 * _spec.HeadDim);
            var output = step.Buffers.Mixed + ((long)sequence.FirstRow * Width) + ((long)head * _spec.HeadDim);
            if (sequence.RowCount == 1)
            {
                Step(qkv, state, head, output);
                continue;
            }

            for (int row = 0, count; row < sequence.RowCount; row += count)
            {
                // Chunks end at multiples of their length in the sequence, wherever a piece begins: the sums do not depend on the cut.
                count = Math.Min(Chunk - ((sequence.Start + row) % Chunk), sequence.RowCount - row);
                Chunked(qkv + ((long)row * ProjectedWidth), count, state, head, output + ((long)row * Width), step.Scratch(worker));
            }
        }
    }

    /// <summary>One token: reads and writes the head's state once.</summary>
    private void Step(float* qkv, float* state, int head, float* output)
    {
        var dim = _spec.HeadDim;
        var decay = Vector512.Create(Power(head, 1));
        for (var column = 0; column < dim; column += TileKernel.Lanes)
        {
            var v = Vector512.Load(qkv + (2 * dim) + column);
            var even = Vector512<float>.Zero;
            var odd = Vector512<float>.Zero;
            var s = state + column;
            for (var i = 0; i < dim; i += 2, s += 2 * dim)
            {
                var first = Vector512.FusedMultiplyAdd(Vector512.Create(qkv[dim + i]), v, Vector512.Load(s) * decay);
                var second = Vector512.FusedMultiplyAdd(Vector512.Create(qkv[dim + i + 1]), v, Vector512.Load(s + dim) * decay);
                first.Store(s);
                second.Store(s + dim);
                even = Vector512.FusedMultiplyAdd(Vector512.Create(qkv[i]), first, even);
                odd = Vector512.FusedMultiplyAdd(Vector512.Create(qkv[i + 1]), second, odd);
            }

            (even + odd).Store(output + column);
        }
    }

    private void Chunked(float* qkv, int count, float* state, int head, float* output, WorkerScratch scratch)
    {
        var dim = _spec.HeadDim;
        var stride = (nint)ProjectedWidth;
        var rows = scratch.Rows;

        // 1. Scores inside the chunk, decayed, zero where j > i.
        Transpose(qkv + dim, stride, count, scratch.Transposed);
        for (var i = 0; i < count; i++)
        {
            rows[i] = qkv + (i * stride);
        }

        Tiles.Multiply(rows, count, scratch.Transposed, Chunk, Chunk, dim, scratch.Scores, Chunk, accumulate: false);
        for (var i = 0; i < count; i++)
        {
            var powers = Powers(head) + Chunk - 1 - i;
            var scores = scratch.Scores + (i * Chunk);
            for (var j = 0; j < Chunk; j += TileKernel.Lanes)
            {
                (Vector512.Load(scores + j) * Vector512.Load(powers + j)).Store(scores + j);
            }

            rows[i] = scores;
        }

        // 2. Their values, then what the state before the chunk adds.
        var values = qkv + (2 * dim);
        Tiles.Multiply(rows, count, values, stride, dim, count, output, Width, accumulate: false);
        for (var i = 0; i < count; i++)
        {
            rows[i] = scratch.Decayed + (i * dim);
            Scale(qkv + (i * stride), Power(head, i + 1), rows[i], dim);
        }

        Tiles.Multiply(rows, count, state, dim, dim, dim, output, Width, accumulate: true);

        // 3. The state after the chunk.
        Scale(state, Power(head, count), state, dim * dim);
        var remaining = Powers(head) + Chunk - count;
        for (var i = 0; i < dim; i++)
        {
            rows[i] = scratch.Transposed + (i * Chunk);
            for (var j = 0; j < Chunk; j += TileKernel.Lanes)
            {
                (Vector512.Load(rows[i] + j) * Vector512.Load(remaining + j)).Store(rows[i] + j);
            }
        }

        Tiles.Multiply(rows, dim, values, stride, dim, count, state, dim, accumulate: true);
    }

    private void NormAndGate(Worker worker, StepContext step)
    {
        var (first, end) = worker.Share(step.Batch.RowCount);
        for (var row = first; row < end; row++)
        {
            var mixed = step.Buffers.Mixed + ((long)row * Width);
            var gate = step.Buffers.Projected + ((long)row * ProjectedWidth) + (3 * Width);
            VectorMath.RmsNorm(mixed, _norm.Pointer, mixed, Width, _spec.NormEpsilon);
            for (var i = 0; i < Width; i += TileKernel.Lanes)
            {
                (Vector512.Load(mixed + i) * Vector512.Load(gate + i)).Store(mixed + i);
            }
        }
    }

    private float* Powers(int head) => _powers.Pointer + ((nint)head * 2 * Chunk);

    /// <summary><c>λ^n</c> for n up to 64.</summary>
    private float Power(int head, int n) => n < Chunk ? Powers(head)[Chunk - 1 - n] : Powers(head)[0] * Powers(head)[Chunk - 2];

    /// <summary><c>transposed[i, j] = keys[j][i]</c>; columns from <paramref name="count"/> on become zero.</summary>
    private void Transpose(float* keys, nint stride, int count, float* transposed)
    {
        for (var i = 0; i < _spec.HeadDim; i++)
        {
            var row = transposed + ((nint)i * Chunk);
            for (var j = 0; j < count; j++)
            {
                row[j] = keys[(j * stride) + i];
            }

            new Span<float>(row + count, Chunk - count).Clear();
        }
    }

    private static void Scale(float* x, float factor, float* y, int length)
    {
        var f = Vector512.Create(factor);
        for (var i = 0; i < length; i += TileKernel.Lanes)
        {
            (Vector512.Load(x + i) * f).Store(y + i);
        }
    }

    /// <summary>silu on q, k and v, the logistic function on the gate.</summary>
    private readonly struct Activate(float* target, int stride, int gateFrom) : IEpilogue
    {
        public void Store(float* tile, int row, int column)
        {
            var to = target + ((long)row * stride) + column;
            for (var i = 0; i < Math.Min(TileKernel.MaxColumns, stride - column); i += TileKernel.Lanes)
            {
                var x = Vector512.Load(tile + i);
                (column + i < gateFrom ? VectorMath.Silu(x) : VectorMath.Sigmoid(x)).Store(to + i);
            }
        }
    }
}
