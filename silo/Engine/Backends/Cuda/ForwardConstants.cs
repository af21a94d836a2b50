using Loire.Cuda;
using Loire.Kernels;

namespace Loire.Engine.Backends.Cuda;

/// <summary>What depends on the config alone: slopes of a part's lightning heads, rotary frequencies.</summary>
internal sealed class ForwardConstants : IDisposable
{
    private readonly DeviceArena _arena;
    private readonly CudaStream _stream;
    private readonly Dictionary<int, (DeviceVector<float> Slopes, DeviceVector<float> Decays)> _slopes = [];
    private readonly Dictionary<int, DeviceVector<float>> _frequencies = [];

    public ForwardConstants(CudaPart part)
    {
        _stream = part.Stream;
        var mixers = part.Weights.Layers.Select(layer => (layer.Spec.Index, layer.Mixer)).ToArray();
        _arena = new DeviceArena(part.Device, mixers.Sum(layer => BytesOf(layer.Mixer)), "constants");
        foreach (var (layer, mixer) in mixers)
        {
            switch (mixer)
            {
                case Weights.LightningWeights { Spec: var lightning }:
                    _slopes[layer] = (Put(lightning.Slopes.AsSpan()), Put([.. lightning.Slopes.Select(slope => (float)Math.Exp(-(double)slope))]));
                    break;
                case Weights.SoftmaxWeights { Spec: var softmax }:
                    _frequencies[layer] = Put(RopeReference.InverseFrequencies(softmax.RotaryDim, softmax.RopeTheta));
                    break;
            }
        }

        _stream.Fill(new DeviceVector<int>(part.Buffers.AlwaysFirst, part.Buffers.Rows), 0);
    }

    public (DeviceVector<float> Slopes, DeviceVector<float> Decays) SlopesOf(int layer) => _slopes[layer];

    public DeviceVector<float> FrequenciesOf(int layer) => _frequencies[layer];

    public void Dispose() => _arena.Dispose();

    private static long BytesOf(Weights.MixerWeights mixer) => mixer switch
    {
        Weights.LightningWeights { Spec: var lightning } => 2 * DeviceArena.Footprint<float>(lightning.Heads),
        Weights.SoftmaxWeights { Spec: var softmax } => DeviceArena.Footprint<float>(softmax.RotaryDim / 2),
        _ => 0,
    };

    private DeviceVector<float> Put(ReadOnlySpan<float> values)
    {
        var view = _arena.Take<float>(values.Length);
        _stream.Upload(values, view);
        return view;
    }
}
