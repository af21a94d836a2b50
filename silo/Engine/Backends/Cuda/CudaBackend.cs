using Loire.Cuda;
using Loire.Engine.Backends.Cuda.Weights;
using Loire.Engine.Models;
using Loire.Engine.Replica;
using Loire.Engine.Sampling;
using Loire.Engine.State;
using Loire.Engine.Weights;
using Loire.Kernels;

namespace Loire.Engine.Backends.Cuda;

/// <summary>A whole model on one GPU: steps on one stream, copies of states on others.</summary>
/// <remarks>A decode step is one captured graph; any other step is enqueued kernel by kernel. Logits stay on the device until they are asked for.</remarks>
internal sealed class CudaBackend : IBackend
{
    private readonly CudaDevice _device;
    private readonly CudaStream _stream;
    private readonly CudaWeights _weights;
    private readonly CudaKernels _kernels;
    private readonly CudaBuffers _buffers;
    private readonly CudaStates _states;
    private readonly StepBlock _block;
    private readonly CudaForward _forward;
    private readonly DecodeGraphs? _graphs;
    private readonly StateCopier _copier;
    private readonly RecurrentExports _exports;
    private readonly LogitsReader _logits;
    private readonly int _mostDecodeRows;
    private readonly Action _enqueueStep;
    private readonly List<IDisposable> _owned = [];
    private StepForm _form;

    private CudaBackend(ModelGraph graph, BackendSizes sizes, CudaOptions options, Func<CudaDevice, CudaWeights> load)
    {
        try
        {
            _device = Own(CudaDevice.Open(options.Groups!.Stages[0][0]));
            _stream = Own(_device.NewStream("steps", urgent: true));
            _weights = Own(load(_device));
            _kernels = Own(new CudaKernels(_device, _stream, options.Type));
            _mostDecodeRows = StepForm.BucketOf(Math.Min(sizes.Slots, sizes.MaxRows), int.MaxValue);
            var rows = Math.Max(sizes.MaxRows, _mostDecodeRows);
            var logitsRows = Math.Max(sizes.MaxLogitsRows, _mostDecodeRows);
            _states = Own(new CudaStates(_device, _stream, _weights.Layers, options.Type, sizes.Slots, sizes.Pages));
            _buffers = Own(new CudaBuffers(_device, graph, _weights.Layers, options.Type, rows, logitsRows, ScratchLength(_mostDecodeRows)));
            _block = Own(new StepBlock(_device, sizes.Slots, sizes.Pages));
            _logits = Own(new LogitsReader(_device, _stream, _buffers, logitsRows));
            _forward = Own(new CudaForward(graph, _device, _stream, _weights, _kernels, _buffers, _states, _block, _logits));
            _graphs = options.UseGraphs ? Own(new DecodeGraphs(_stream)) : null;
            _copier = Own(new StateCopier(_device, _states, _kernels.Pages));
            _exports = Own(new RecurrentExports(_device, _states));
            _enqueueStep = () => _forward.Enqueue(_stream, _form);
            VocabularySize = graph.VocabularySize;
            _stream.Synchronize();
            WarmUp();
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    public int VocabularySize { get; }

    public StateShape State => _states.Shape;

    public int Slots => _states.Slots;

    public int Pages => _states.Pages;

    /// <summary>What the weights, the states and the activations take, in bytes.</summary>
    public (long Weights, long States, long Activations) Memory => (_weights.Bytes, _states.Bytes, _buffers.Bytes);

    public CudaDevice Device => _device;

    public CudaStream Stream => _stream;

    internal CudaStates States => _states;

    /// <summary>Graphs captured, and graphs that took new parameters.</summary>
    public (int Captures, int Updates) GraphCounts => _graphs?.Counts ?? default;

    /// <param name="model">Its weights are read, unless they are synthetic.</param>
    /// <param name="sizes">Of memory.</param>
    /// <param name="options">Which GPU, and how.</param>
    /// <param name="progress">0 to 1.</param>
    /// <exception cref="CudaMissingException">No GPU can be used.</exception>
    /// <exception cref="CudaException">Such as: out of memory.</exception>
    /// <exception cref="ModelFormatException">A tensor is missing or has another shape.</exception>
    public static CudaBackend Load(ModelFolder model, BackendSizes sizes, CudaOptions options, IProgress<double>? progress = null) =>
        new(model.Graph, sizes, options, device =>
        {
            if (options.SyntheticSeed is { } seed)
            {
                return CudaWeights.Synthesize(model.Graph, device, options.Type, seed);
            }

            using var source = model.OpenWeights();
            return CudaWeights.Load(model.Graph, source, device, options.Type, progress);
        });

    public void Run(StepBatch batch)
    {
        Enqueue(batch);
        _stream.Synchronize();
    }

    /// <summary>The same without waiting for the device. The batch may be filled anew at once.</summary>
    public void Enqueue(StepBatch batch)
    {
        _device.MakeCurrent();
        _copier.Join(_stream);
        _form = StepForm.Of(batch, _mostDecodeRows);
        _block.Upload(_stream, batch, _form);
        if (_form.IsDecode && _graphs is not null)
        {
            _graphs.Run(_form, _block.Generation, _enqueueStep);
        }
        else
        {
            _enqueueStep();
        }

        _logits.Begin(batch.LogitsCount, _form.LogitsRows);
    }

    public ReadOnlySpan<float> Logits(int index) => _logits.Read(index);

    public bool HasGreedy => true;

    public TokenLogProb Greedy(int index) => _logits.Greedy(index);

    public void ClearState(int slot)
    {
        _device.MakeCurrent();
        _copier.Join(_stream);
        _kernels.Clear.Enqueue(_stream, _states.Recurrent.Slice(slot * _states.SlotLength, _states.SlotLength), _states.LayerStride, _states.LayerCount);
        _copier.ComeAfter(_stream);
    }

    public RecurrentCopy CopyRecurrent(int slot)
    {
        _device.MakeCurrent();
        _copier.Join(_stream);
        var copy = _exports.TryBegin(_stream, slot);
        _copier.ComeAfter(_stream); // the slot may get another state at once
        return copy ?? new RecurrentCopyInMemory(this, slot);
    }

    public void ReadRecurrent(int layer, int slot, Span<byte> blob) => _copier.ReadRecurrent(layer, slot, blob);

    public void WriteRecurrent(int layer, int slot, ReadOnlySpan<byte> blob) => _copier.WriteRecurrent(layer, slot, blob);

    public void ReadKeyValues(int layer, int page, int tokens, Span<byte> blob) => _copier.ReadKeyValues(layer, page, tokens, blob);

    public void WriteKeyValues(int layer, int page, int tokens, ReadOnlySpan<byte> blob) => _copier.WriteKeyValues(layer, page, tokens, blob);

    /// <summary>Waits until all that was written is on the device. For measurements: steps wait there.</summary>
    internal void Settle()
    {
        _device.MakeCurrent();
        _copier.Join(_stream);
        _stream.Synchronize();
    }

    /// <summary>Fills all states with random numbers of the size that real ones have. For measurements.</summary>
    internal void Synthesize(ulong seed)
    {
        _device.MakeCurrent();
        using var module = _device.Compile(KernelSources.Of("Synthetic", _kernels.Type));
        var kernel = new Synthetic(module);
        kernel.Enqueue(_stream, _states.Recurrent.Address, _states.Recurrent.Length, new SyntheticSequence(seed, 0, 0.1f), isFloat: true);
        foreach (var (layer, _) in State.KeyValue)
        {
            var pages = _states.PagesOf(layer);
            var length = (Pages + 1L) * pages.PageLength;
            kernel.Enqueue(_stream, pages.Keys, length, new SyntheticSequence(seed + 1, 0, 1), isFloat: false);
            kernel.Enqueue(_stream, pages.Values, length, new SyntheticSequence(seed + 2, 0, 1), isFloat: false);
        }

        _stream.Synchronize();
    }

    public void Dispose()
    {
        for (var i = _owned.Count - 1; i >= 0; i--)
        {
            _owned[i].Dispose();
        }

        _owned.Clear();
    }

    private T Own<T>(T item)
        where T : IDisposable
    {
        _owned.Add(item);
        return item;
    }

    private long ScratchLength(int sequences) =>
        _weights.Layers.Select(layer => layer.Mixer).OfType<SoftmaxWeights>().Select(mixer => _kernels.AttentionOf(mixer.Spec).ScratchLength(sequences)).DefaultIfEmpty().Max();

    /// <summary>A prompt and two decode steps of slot 0: what is compiled or loaded at its first use is there when the first turn comes.</summary>
    private void WarmUp()
    {
        var room = Math.Min(_buffers.Rows, Pages * StateShape.PageTokens);
        var batch = new StepBatch(_buffers.Rows, 1, 1);
        List<int> pages = [.. Enumerable.Range(0, Math.Min(2, Pages))];
        foreach (var rows in new[] { Math.Min(StateShape.PageTokens + 5, Math.Min(room, pages.Count * StateShape.PageTokens)), 1, 1 })
        {
            batch.Clear();
            batch.Add(slot: 0, pages, start: 0, new int[rows], LogitsWanted.Last);
            Run(batch);
        }

        ClearState(slot: 0);
        _stream.Synchronize();
    }
}
