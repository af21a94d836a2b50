using Loire.Engine.Backends.Cpu.Layers;
using Loire.Engine.Models;
using Loire.Engine.Weights;

namespace Loire.Engine.Backends.Cpu;

/// <summary>What a stage owns of one layer: norms, mixer, router and a shared or dense feed-forward. Routed experts belong to shards.</summary>
internal sealed class CpuLayer : IDisposable
{
    public CpuLayer(LayerSpec spec, int hidden, IWeightSource weights)
    {
        Spec = spec;
        MixerNorm = Vectors.Load(weights, spec.MixerNorm.Tensor, hidden);
        FeedForwardNorm = Vectors.Load(weights, spec.FeedForwardNorm.Tensor, hidden);
        Mixer = spec.Mixer switch
        {
            LightningSpec lightning => new LightningMixer(lightning, hidden, weights),
            SoftmaxSpec softmax => new SoftmaxMixer(softmax, hidden, weights),
            _ => throw new NotSupportedException($"Layer {spec.Index}: the CPU has no {spec.Mixer.GetType().Name}."),
        };
        switch (spec.FeedForward)
        {
            case MoeSpec moe:
                Router = new Router(moe, hidden, weights);
                OwnExpert = moe.Shared is { } shared ? new Expert(shared.Tensors, hidden, shared.Width, weights) : null;
                break;
            case DenseSpec dense:
                OwnExpert = new Expert(dense.Tensors, hidden, dense.Width, weights);
                break;
            default:
                throw new NotSupportedException($"Layer {spec.Index}: the CPU has no {spec.FeedForward.GetType().Name}.");
        }
    }

    public LayerSpec Spec { get; }

    public CpuBuffer<float> MixerNorm { get; }

    public CpuBuffer<float> FeedForwardNorm { get; }

    public IMixer Mixer { get; }

    public Router? Router { get; }

    /// <summary>The shared expert of a mixture, or a dense layer's only one.</summary>
    public Expert? OwnExpert { get; }

    public long WeightBytes =>
        MixerNorm.Bytes + FeedForwardNorm.Bytes + Mixer.WeightBytes + (Router?.WeightBytes ?? 0) + (OwnExpert?.WeightBytes ?? 0);

    public void Dispose()
    {
        MixerNorm.Dispose();
        FeedForwardNorm.Dispose();
        Mixer.Dispose();
        Router?.Dispose();
        OwnExpert?.Dispose();
    }
}
