using Loire.Cuda;
using Loire.Engine.Backends.Cuda.Weights;
using Loire.Engine.State;
using Loire.Kernels;

namespace Loire.Engine.Backends.Cuda;

/// <summary>Recurrent states and pages of all layers on the device. One slot and one page more than are leased: padded rows write there.</summary>
/// <remarks>
/// Recurrent: fp32 <c>[lightning layers, slots + 1, heads, d, d]</c>, [k, v] order: a slot of a layer is its canonical blob.
/// Keys, and values: T <c>[pages + 1, heads, 64, headDim]</c> for each softmax layer.
/// </remarks>
internal sealed class CudaStates : IDisposable
{
    private readonly DeviceArena _arena;
    private readonly Dictionary<int, DeviceVector<float>> _recurrent = [];
    private readonly Dictionary<int, PagedLayer> _pages = [];

    public CudaStates(CudaDevice device, CudaStream stream, CudaLayer[] layers, ElementType type, int slots, int pages)
    {
        Slots = slots;
        Pages = pages;
        var element = type is ElementType.BFloat16 ? sizeof(ushort) : sizeof(float);
        var lightning = layers.Where(layer => layer.Mixer is LightningWeights).ToArray();
        var softmax = layers.Where(layer => layer.Mixer is SoftmaxWeights).ToArray();
        LayerCount = lightning.Length;
        SlotLength = lightning.Length == 0 ? 0 : StateLengthOf(lightning[0]);
        if (lightning.Any(layer => StateLengthOf(layer) != SlotLength))
        {
            throw new NotSupportedException("Lightning layers of different shapes in one model.");
        }

        var recurrentLength = (slots + 1L) * SlotLength;
        long PageBytes(CudaLayer layer) => (pages + 1L) * PageLengthOf(layer) * element;
        var bytes = DeviceArena.Footprint<float>(lightning.Length * recurrentLength) + softmax.Sum(layer => 2 * DeviceArena.Footprint<byte>(PageBytes(layer)));
        _arena = new DeviceArena(device, bytes, $"{slots} slots and {pages} pages", "lower Engine:Slots or Engine:KeyValueTokens.");
        Recurrent = _arena.Take<float>(lightning.Length * recurrentLength);
        for (var i = 0; i < lightning.Length; i++)
        {
            _recurrent[lightning[i].Spec.Index] = Recurrent.Slice(i * recurrentLength, recurrentLength);
        }

        foreach (var layer in softmax)
        {
            var spec = ((SoftmaxWeights)layer.Mixer).Spec;
            _pages[layer.Spec.Index] = new PagedLayer(_arena.Take<byte>(PageBytes(layer)).Address, _arena.Take<byte>(PageBytes(layer)).Address, spec.KeyValueHeads, spec.HeadDim);
        }

        // What was in the memory before may be NaN, which a product with 0 would keep.
        stream.Fill(Recurrent, 0);
        foreach (var layer in softmax)
        {
            stream.Fill(new DeviceVector<byte>(_pages[layer.Spec.Index].Keys, PageBytes(layer)), 0);
            stream.Fill(new DeviceVector<byte>(_pages[layer.Spec.Index].Values, PageBytes(layer)), 0);
        }

        Shape = new StateShape
        {
            Recurrent = [.. lightning.Select(layer => (layer.Spec.Index, checked((int)SlotLength * sizeof(float))))],
            KeyValue = [.. softmax.Select(layer => (layer.Spec.Index, checked((int)(2 * PageLengthOf(layer) / StateShape.PageTokens) * sizeof(float))))],
        };
    }

    public int Slots { get; }

    public int Pages { get; }

    public StateShape Shape { get; }

    /// <summary>Of lightning layers.</summary>
    public int LayerCount { get; }

    /// <summary>Numbers of one slot in one layer.</summary>
    public long SlotLength { get; }

    /// <summary>From a slot in one layer to the same in the next, in numbers.</summary>
    public long LayerStride => (Slots + 1L) * SlotLength;

    public long Bytes => _arena.Bytes;

    /// <summary>Of all lightning layers.</summary>
    public DeviceVector<float> Recurrent { get; }

    /// <summary>All slots of one layer.</summary>
    public DeviceVector<float> RecurrentOf(int layer) =>
        _recurrent.TryGetValue(layer, out var state) ? state : throw new ArgumentException($"Layer {layer} has no recurrent state.", nameof(layer));

    public DeviceVector<float> RecurrentOf(int layer, int slot) => RecurrentOf(layer).Slice(slot * SlotLength, SlotLength);

    public PagedLayer PagesOf(int layer) =>
        _pages.TryGetValue(layer, out var pages) ? pages : throw new ArgumentException($"Layer {layer} has no keys and values.", nameof(layer));

    public void Dispose() => _arena.Dispose();

    private static long StateLengthOf(CudaLayer layer)
    {
        var spec = ((LightningWeights)layer.Mixer).Spec;
        return (long)spec.Heads * spec.HeadDim * spec.HeadDim;
    }

    private static long PageLengthOf(CudaLayer layer)
    {
        var spec = ((SoftmaxWeights)layer.Mixer).Spec;
        return (long)spec.KeyValueHeads * StateShape.PageTokens * spec.HeadDim;
    }
}
