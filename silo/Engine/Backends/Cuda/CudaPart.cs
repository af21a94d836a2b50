using Loire.Cuda;
using Loire.Engine.Backends.Cuda.Weights;
using Loire.Engine.Models;
using Loire.Engine.Replica;
using Loire.Engine.State;
using Loire.Kernels;

namespace Loire.Engine.Backends.Cuda;

/// <summary>What one GPU has of a replica: its share of a stage's weights and states, the memory of its steps, and the stream that they run on.</summary>
/// <remarks>Its device is current for the calling thread while it is made; whoever enqueues work makes it current before.</remarks>
internal sealed class CudaPart : IDisposable
{
    private readonly List<IDisposable> _owned = [];

    /// <param name="graph">Of the model.</param>
    /// <param name="range">What of it.</param>
    /// <param name="ordinal">Of the GPU.</param>
    /// <param name="options">What weights and activations are stored as.</param>
    /// <param name="sizes">Of slots and pages.</param>
    /// <param name="rows">Of its steps.</param>
    public CudaPart(ModelGraph graph, PartRange range, int ordinal, CudaOptions options, in BackendSizes sizes, in StepSizes rows)
    {
        try
        {
            var type = options.Type;
            Range = range;
            Device = Own(CudaDevice.Open(ordinal));
            Check(Device, options);
            Stream = Own(Device.NewStream("steps", urgent: true));
            Transfers = Own(Device.NewStream("integers and logits of steps", urgent: true));
            Downloads = Own(Device.NewStream("results of steps", urgent: true));
            Weights = Own(new CudaWeights(graph, range, Device, type, options.ExpertType));
            Kernels = Own(new CudaKernels(Device, Stream, type, options.ExpertType, Weights.ScratchBytes));
            States = Own(new CudaStates(Device, Stream, Weights.Layers, type, sizes.Slots, sizes.Pages));
            Buffers = Own(new CudaBuffers(Device, graph, Weights.Layers, type, rows.Rows, rows.DecodeRows, ScratchLength(rows.DecodeRows)));
            Sums = range.Share.Count == 1 ? null : Own(new SumBuffers(Device, rows.Rows, range.Share.Count, graph.HiddenSize));
            Carried = Own(Device.Allocate((long)rows.Results * sizeof(int), "tokens that steps hand on"));
            Results = range.IsLast ? Own(new PartResults(this, graph, type, rows.Results)) : null;
            var slotsAndPages = sizes;
            var mostRows = rows.Rows;
            Lanes = [.. Enumerable.Range(0, rows.Lanes).Select(_ => Own(new Lane(this, slotsAndPages, mostRows, graph.HiddenSize)))];
            Copier = Own(new StateCopier(Device, States, Kernels.Pages));
            Exports = Own(new RecurrentExports(Device, States));
            Load = Own(new PartLoad(Device, graph.Layers.Max(layer => (layer.FeedForward as MoeSpec)?.Experts ?? 0)));
            Forward = Own(new CudaForward(graph, this));
            Met = Own(Device.NewEvent());
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    public PartRange Range { get; }

    public CudaDevice Device { get; }

    public CudaStream Stream { get; }

    /// <summary>Brings the integers of steps while others run, and takes whole rows of logits of those that have landed.</summary>
    public CudaStream Transfers { get; }

    /// <summary>Takes results of each step to the host while the next one runs.</summary>
    public CudaStream Downloads { get; }

    public CudaWeights Weights { get; }

    public CudaKernels Kernels { get; }

    public CudaStates States { get; }

    public CudaBuffers Buffers { get; }

    /// <summary>Null: the part has all of each layer.</summary>
    public SumBuffers? Sums { get; }

    /// <summary>For each row of results the token that the next step of its sequence takes; −1: there is none.</summary>
    public DeviceMemory Carried { get; }

    /// <summary>Null: the stage is not the last.</summary>
    public PartResults? Results { get; }

    /// <summary>One for each step that may be under way.</summary>
    public Lane[] Lanes { get; }

    public StateCopier Copier { get; }

    public RecurrentExports Exports { get; }

    /// <summary>Of the experts, all those of its layers.</summary>
    public PartLoad Load { get; }

    public CudaForward Forward { get; }

    /// <summary>For meetings of the stage's parts.</summary>
    public CudaEvent Met { get; }

    /// <summary>What the weights, the states and the activations take, in bytes.</summary>
    public (long Weights, long States, long Activations) Memory => (Weights.Bytes, States.Bytes, Buffers.Bytes + (Sums?.Bytes ?? 0) + (Results?.Bytes ?? 0));

    /// <summary>What is read of the states from here on comes after all that is enqueued.</summary>
    public void Settle()
    {
        Device.MakeCurrent();
        Copier.ComeAfter(Stream);
    }

    /// <summary>The state before any token, in all layers at once.</summary>
    public void Clear(int slot)
    {
        Device.MakeCurrent();
        Copier.Join(Stream);
        Kernels.Clear.Enqueue(Stream, States.Recurrent.Slice(slot * States.SlotLength, States.SlotLength), States.LayerStride, States.LayerCount);
        Copier.ComeAfter(Stream);
    }

    /// <returns>Null: too many copies are on their way, or there is no recurrent state.</returns>
    public RecurrentCopy? TryCopy(int slot)
    {
        Device.MakeCurrent();
        Copier.Join(Stream);
        var copy = Exports.TryBegin(Stream, slot);
        Copier.ComeAfter(Stream); // the slot may get another state at once
        return copy;
    }

    public void Dispose()
    {
        for (var i = _owned.Count - 1; i >= 0; i--)
        {
            _owned[i].Dispose();
        }

        _owned.Clear();
    }

    private static void Check(CudaDevice device, CudaOptions options)
    {
        if (options.ExpertType is WeightType.Float8 && (options.Type is not ElementType.BFloat16 || !Quantise.IsPossible(device)))
        {
            throw new NotSupportedException(
                $"Experts' weights in fp8 are asked for, with {options.Type} for the others, on {device} of compute capability {device.ComputeMajor}.{device.ComputeMinor}: they take bf16 and {Quantise.LeastCompute} at least.");
        }
    }

    private T Own<T>(T item)
        where T : IDisposable
    {
        _owned.Add(item);
        return item;
    }

    private long ScratchLength(int sequences) =>
        Weights.Layers.Select(layer => layer.Mixer).OfType<SoftmaxWeights>().Select(mixer => Kernels.AttentionOf(mixer.Spec).ScratchLength(sequences)).DefaultIfEmpty().Max();
}

/// <summary>Sizes of what a part's steps work in.</summary>
/// <param name="Rows">Of a step, padding included.</param>
/// <param name="DecodeRows">Of the largest decode step, padding included.</param>
/// <param name="Results">Rows of logits that are kept at once, padding included.</param>
/// <param name="Lanes">Steps that may be under way at once.</param>
internal readonly record struct StepSizes(int Rows, int DecodeRows, int Results, int Lanes);
