using Loire.Cuda;
using Loire.Engine.Backends.Cuda.Weights;
using Loire.Engine.Models;
using Loire.Kernels;

namespace Loire.Engine.Backends.Cuda;

/// <summary>Activations of a step, for the most rows that it may have. Each is used again by every layer.</summary>
internal sealed class CudaBuffers : IDisposable
{
    private readonly DeviceArena _arena;
    private readonly int _hidden;

    /// <param name="device">Where steps run.</param>
    /// <param name="graph">Of the model.</param>
    /// <param name="layers">Whose widths count.</param>
    /// <param name="type">Of weights and 16-bit activations.</param>
    /// <param name="rows">Of a step, padding included.</param>
    /// <param name="decodeRows">Of the largest decode step, padding included.</param>
    /// <param name="scratchLength">Numbers that attention works in.</param>
    public CudaBuffers(CudaDevice device, ModelGraph graph, CudaLayer[] layers, ElementType type, int rows, int decodeRows, long scratchLength)
    {
        _hidden = graph.HiddenSize;
        var lightning = layers.Select(layer => layer.Mixer).OfType<LightningWeights>().Max(mixer => (int?)mixer.Width) ?? 0;
        var softmax = layers.Select(layer => layer.Mixer).OfType<SoftmaxWeights>().ToArray();
        var qkv = Math.Max(3L * lightning, softmax.Max(mixer => (int?)mixer.QkvWidth) ?? 0);
        var mixed = Math.Max(lightning, softmax.Max(mixer => (int?)mixer.Width) ?? 0);
        var choices = layers.Max(layer => layer.FeedForward.Choices);
        var activated = layers.Max(layer => (long)layer.FeedForward.Choices * layer.FeedForward.Experts.Width);
        var shared = layers.Max(layer => layer.FeedForward.Shared?.Width ?? 0);
        var experts = layers.Max(layer => layer.FeedForward.ExpertCount);
        var element = type is ElementType.BFloat16 ? sizeof(ushort) : sizeof(float);

        List<(Action<ulong> Set, long Bytes)> wanted = [];
        void Want(Action<ulong> set, long bytes) => wanted.Add((set, bytes));
        Want(at => Stream = at, 4L * rows * _hidden);
        Want(at => Normed = at, 4L * rows * _hidden);
        Want(at => X = at, (long)element * rows * _hidden);
        Want(at => Qkv = at, Math.Max((long)element * rows, (long)sizeof(float) * Math.Min(rows, decodeRows)) * qkv);
        Want(at => Gate = at, 4L * rows * mixed);
        Want(at => Mixed = at, 4L * rows * lightning);
        Want(at => MixerOutput = at, (long)element * rows * mixed);
        Want(at => Projected = at, 4L * rows * _hidden);
        Want(at => Chosen = at, (long)sizeof(int) * rows * choices);
        Want(at => AlwaysFirst = at, (long)sizeof(int) * rows);
        Want(at => ChoiceWeights = at, 4L * rows * choices);
        Want(at => SharedWeights = at, 4L * rows);
        Want(at => Offsets = at, (long)sizeof(int) * (experts + 1));
        Want(at => Order = at, (long)sizeof(int) * rows * choices);
        Want(at => SharedOffsets = at, (long)sizeof(int) * 2);
        Want(at => SharedOrder = at, (long)sizeof(int) * rows);
        Want(at => Activated = at, element * rows * Math.Max(activated, shared));
        Want(at => ExpertOutput = at, 4L * rows * choices * _hidden);
        Want(at => SharedOutput = at, shared == 0 ? 0 : 4L * rows * _hidden);
        Want(at => MixedSquares = at, 4L * rows);
        Want(at => Scratch = new DeviceVector<float>(at, scratchLength), 4 * scratchLength);

        _arena = new DeviceArena(
            device,
            wanted.Sum(buffer => DeviceArena.Footprint<byte>(buffer.Bytes)),
            $"the activations of {rows} rows",
            "lower Engine:MaxTokensPerStep.");
        foreach (var (set, bytes) in wanted)
        {
            set(_arena.Take<byte>(bytes).Address);
        }

        Rows = rows;
    }

    /// <summary>Most of a step.</summary>
    public int Rows { get; }

    public long Bytes => _arena.Bytes;

    /// <summary>fp32 <c>[rows, hidden]</c>: the residual.</summary>
    public ulong Stream { get; private set; }

    /// <summary>fp32 <c>[rows, hidden]</c>, where the residual is not the norm itself.</summary>
    public ulong Normed { get; private set; }

    /// <summary>T <c>[rows, hidden]</c>: the norm.</summary>
    public ulong X { get; private set; }

    /// <summary>T; fp32 in a decode step.</summary>
    public ulong Qkv { get; private set; }

    /// <summary>fp32, of lightning attention before its sigmoid.</summary>
    public ulong Gate { get; private set; }

    /// <summary>T, turned queries of a decode step, whose qkv are fp32. A layer has a gate or queries.</summary>
    public ulong Queries => Gate;

    /// <summary>fp32, of lightning attention before its norm.</summary>
    public ulong Mixed { get; private set; }

    /// <summary>T, before the output projection.</summary>
    public ulong MixerOutput { get; private set; }

    /// <summary>fp32 <c>[rows, hidden]</c>, after it.</summary>
    public ulong Projected { get; private set; }

    public DeviceVector<float> ProjectedOf(int rows) => new(Projected, (long)rows * _hidden);

    public ulong Chosen { get; private set; }

    /// <summary>Zeros: the choice of rows that have none.</summary>
    public ulong AlwaysFirst { get; private set; }

    public ulong ChoiceWeights { get; private set; }

    public ulong SharedWeights { get; private set; }

    public ulong Offsets { get; private set; }

    public ulong Order { get; private set; }

    public ulong SharedOffsets { get; private set; }

    public ulong SharedOrder { get; private set; }

    public ulong Activated { get; private set; }

    public ulong ExpertOutput { get; private set; }

    public ulong SharedOutput { get; private set; }

    /// <summary>fp32 <c>[rows]</c>: sums of squares of a lightning mixer's heads that are here.</summary>
    public ulong MixedSquares { get; private set; }

    public DeviceVector<float> Scratch { get; private set; }

    public void Dispose() => _arena.Dispose();
}
