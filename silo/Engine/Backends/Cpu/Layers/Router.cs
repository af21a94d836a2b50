using System.Runtime.Intrinsics;
using Loire.Engine.Backends.Cpu.Kernels;
using Loire.Engine.Models;
using Loire.Engine.Weights;

namespace Loire.Engine.Backends.Cpu.Layers;

/// <summary>Chooses the experts of a row: softmax over all, the best k, their weights divided by their sum; then a shared expert, if there is one.</summary>
internal sealed unsafe class Router : IDisposable
{
    private readonly MoeSpec _spec;
    private readonly int _hidden;
    private readonly CpuBuffer<float> _weights; // [experts, hidden], then the shared expert's coefficient [hidden]

    public Router(MoeSpec spec, int hidden, IWeightSource weights)
    {
        _spec = spec;
        _hidden = hidden;
        _weights = new CpuBuffer<float>((spec.Experts + 1L) * hidden);
        weights.Get(spec.Router, spec.Experts, hidden).CopyTo(new Span<float>(_weights.Pointer, spec.Experts * hidden));
        if (spec.Shared is { } shared)
        {
            weights.Get(shared.Coefficient, 1, hidden).CopyTo(new Span<float>(_weights.Pointer + ((long)spec.Experts * hidden), hidden));
        }
    }

    /// <summary>Experts of a row, the shared one included.</summary>
    public int Choices => _spec.TopK + (_spec.Shared is null ? 0 : 1);

    public long WeightBytes => _weights.Bytes;

    /// <param name="x">The row, <c>[hidden]</c>.</param>
    /// <param name="choices"><c>[Choices]</c>; the lower expert wins a tie.</param>
    /// <param name="weights"><c>[Choices]</c></param>
    public void Choose(float* x, int* choices, float* weights)
    {
        var logits = stackalloc float[_spec.Experts];
        for (var expert = 0; expert < _spec.Experts; expert++)
        {
            logits[expert] = Dot(x, _weights.Pointer + ((long)expert * _hidden));
        }

        for (var choice = 0; choice < _spec.TopK; choice++)
        {
            var best = 0;
            for (var expert = 1; expert < _spec.Experts; expert++)
            {
                best = logits[expert] > logits[best] ? expert : best;
            }

            choices[choice] = best;
            weights[choice] = logits[best];
            logits[best] = float.NegativeInfinity;
        }

        Normalise(weights);
        if (_spec.Shared is { } shared)
        {
            var heard = shared.Mode == SharedExpertMode.Softmax
                ? 1f
                : 1f / (1f + MathF.Exp(-Dot(x, _weights.Pointer + ((long)_spec.Experts * _hidden))));
            for (var choice = 0; choice < _spec.TopK; choice++)
            {
                weights[choice] *= 1 - heard;
            }

            choices[_spec.TopK] = _spec.Experts;
            weights[_spec.TopK] = heard;
        }
    }

    public void Dispose() => _weights.Dispose();

    /// <summary>Softmax over all experts, divided by the sum of the chosen: the same as a softmax over the chosen.</summary>
    private void Normalise(float* weights)
    {
        var most = weights[0];
        var sum = 0f;
        for (var choice = 0; choice < _spec.TopK; choice++)
        {
            weights[choice] = MathF.Exp(weights[choice] - most);
            sum += weights[choice];
        }

        for (var choice = 0; choice < _spec.TopK; choice++)
        {
            weights[choice] /= sum;
        }
    }

    private float Dot(float* x, float* w)
    {
        var even = Vector512<float>.Zero;
        var odd = Vector512<float>.Zero;
        var i = 0;
        for (; i + (2 * TileKernel.Lanes) <= _hidden; i += 2 * TileKernel.Lanes)
        {
            even = Vector512.FusedMultiplyAdd(Vector512.Load(x + i), Vector512.Load(w + i), even);
            odd = Vector512.FusedMultiplyAdd(Vector512.Load(x + i + TileKernel.Lanes), Vector512.Load(w + i + TileKernel.Lanes), odd);
        }

        if (i < _hidden)
        {
            even = Vector512.FusedMultiplyAdd(Vector512.Load(x + i), Vector512.Load(w + i), even);
        }

        return Vector512.Sum(even + odd);
    }
}
