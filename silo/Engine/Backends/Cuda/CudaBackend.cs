using Loire.Cuda;
using Loire.Engine.Backends.Cuda.Weights;
using Loire.Engine.Models;
using Loire.Engine.Placement;
using Loire.Engine.Replica;
using Loire.Engine.Sampling;
using Loire.Engine.State;
using Loire.Engine.Weights;

namespace Loire.Engine.Backends.Cuda;

/// <summary>A whole model on one GPU or several: stages one after the other, each on the GPUs of its group.</summary>
/// <remarks>A decode step is one captured graph a stage; any other step is enqueued kernel by kernel. Logits stay on the device until they are asked for.</remarks>
internal sealed class CudaBackend : IBackend
{
    /// <summary>Pieces of a large batch for each stage but the first: then stages stand idle for a tenth of the time.</summary>
    private const int PiecesPerStage = 8;

    private readonly List<CudaStage> _stages = [];
    private readonly CudaStateParts _states;
    private readonly StepResults _results;
    private readonly BatchPieces _pieces;
    private readonly int _mostDecodeRows;
    private readonly bool _useCandidates;

    private CudaBackend(ModelGraph graph, in BackendSizes sizes, CudaOptions options, GpuPlan plan, Action<CudaPart> fill)
    {
        try
        {
            Plan = plan;
            Slots = sizes.Slots;
            Pages = sizes.Pages;
            VocabularySize = graph.VocabularySize;
            _useCandidates = options.UseCandidates;
            _mostDecodeRows = StepForm.BucketOf(Math.Min(sizes.Slots, sizes.MaxRows), int.MaxValue);
            var pieces = plan.Stages.Length == 1 ? 1 : Math.Min(PiecesPerStage * (plan.Stages.Length - 1), Math.Max(1, sizes.MaxRows / BatchPieces.LeastRows));
            var logitsRows = Math.Max(sizes.MaxLogitsRows, _mostDecodeRows);
            var rows = new StepSizes(Math.Max(BatchPieces.MostRows(sizes.MaxRows, pieces), _mostDecodeRows), _mostDecodeRows, pieces == 1 ? logitsRows : 2 * logitsRows, pieces);
            foreach (var stage in plan.Stages)
            {
                _stages.Add(Stage(graph, stage, sizes, options, rows, fill));
            }

            _pieces = new BatchPieces(pieces, sizes.MaxRows, sizes.Slots, logitsRows);
            _states = new CudaStateParts([.. _stages]);
            _results = new StepResults(_stages[^1], logitsRows, graph.VocabularySize);
            Synchronize();
            WarmUp(Math.Min(rows.Rows, Pages * StateShape.PageTokens));
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>What is where.</summary>
    public GpuPlan Plan { get; }

    public int VocabularySize { get; }

    public StateShape State => _states.Shape;

    public int Slots { get; }

    public int Pages { get; }

    public IEnumerable<CudaPart> Parts => _stages.SelectMany(stage => stage.Parts);

    /// <summary>Graphs captured, and graphs that took new parameters.</summary>
    public (int Captures, int Updates) GraphCounts => (_stages.Sum(stage => stage.GraphCounts.Captures), _stages.Sum(stage => stage.GraphCounts.Updates));

    /// <param name="model">Its weights are read, unless they are synthetic.</param>
    /// <param name="sizes">Of memory.</param>
    /// <param name="options">Which GPUs, and how.</param>
    /// <param name="progress">0 to 1.</param>
    /// <exception cref="CudaMissingException">A GPU cannot be used.</exception>
    /// <exception cref="CudaException">Such as: out of memory.</exception>
    /// <exception cref="NotSupportedException">The model cannot be cut as the groups of GPUs say.</exception>
    /// <exception cref="ModelFormatException">A tensor is missing or has another shape.</exception>
    public static CudaBackend Load(ModelFolder model, BackendSizes sizes, CudaOptions options, IProgress<double>? progress = null)
    {
        var plan = GpuPlan.For(model.Graph, GpuSizes.Of(sizes, options), options);
        if (options.SyntheticSeed is { } seed)
        {
            var weights = new SyntheticWeights(model.Graph, seed);
            return new(model.Graph, sizes, options, plan, part => weights.Fill(part.Weights.Layout, part.Device));
        }

        using var source = model.OpenWeights();
        var steps = new PartProgress(progress, plan.Stages.Sum(stage => stage.Devices.Length));
        return new(model.Graph, sizes, options, plan, part => part.Weights.Load(source, part.Device, steps.Next()));
    }

    public void Run(StepBatch batch)
    {
        Enqueue(batch);
        Synchronize();
    }

    /// <summary>The same without waiting for the devices. The batch may be filled anew at once.</summary>
    public void Enqueue(StepBatch batch)
    {
        _results.Clear(batch.NeedsCandidates && _useCandidates);
        var lane = 0;
        foreach (var piece in _pieces.Cut(batch))
        {
            var form = StepForm.Of(piece, _mostDecodeRows);
            form = form with { HasCandidates = form.HasCandidates && _useCandidates };
            var firstResult = _results.Add(piece.LogitsCount, form.LogitsRows);
            for (var i = 0; i < _stages.Count; i++)
            {
                _stages[i].Enqueue(piece, form, lane, firstResult);
                if (i + 1 < _stages.Count)
                {
                    _stages[i].Send(_stages[i + 1], lane);
                }
            }

            lane++;
        }
    }

    public void Synchronize() => _stages.ForEach(stage => stage.Synchronize());

    public ReadOnlySpan<float> Logits(int index) => _results.Read(index);

    public bool HasGreedy => true;

    public TokenLogProb Greedy(int index) => _results.Greedy(index);

    public bool HasCandidates => _results.HasCandidates;

    public LogitCandidates Candidates(int index) => _results.Candidates(index);

    public void ClearState(int slot) => _states.Clear(slot);

    public RecurrentCopy CopyRecurrent(int slot) => _states.TryCopy(slot) ?? new RecurrentCopyInMemory(this, slot);

    public void ReadRecurrent(int layer, int slot, Span<byte> blob) => _states.ReadRecurrent(layer, slot, blob);

    public void WriteRecurrent(int layer, int slot, ReadOnlySpan<byte> blob) => _states.WriteRecurrent(layer, slot, blob);

    public void ReadKeyValues(int layer, int page, int tokens, Span<byte> blob) => _states.ReadKeyValues(layer, page, tokens, blob);

    public void WriteKeyValues(int layer, int page, int tokens, ReadOnlySpan<byte> blob) => _states.WriteKeyValues(layer, page, tokens, blob);

    /// <summary>Waits until all that was written is on the devices. For measurements: steps wait there.</summary>
    internal void Settle()
    {
        foreach (var part in Parts)
        {
            part.Device.MakeCurrent();
            part.Copier.Join(part.Stream);
        }

        Synchronize();
    }

    /// <summary>For measurements: of the first stage whose GPUs share its layers; null where none does.</summary>
    internal ExchangeMeasure? Exchange(int hidden) => _stages.Find(stage => stage.Parts.Length > 1) is { } shared ? new ExchangeMeasure(shared, hidden) : null;

    /// <summary>Fills all states with random numbers of the size that real ones have. For measurements.</summary>
    internal void Synthesize(ulong seed)
    {
        foreach (var part in Parts)
        {
            SyntheticStates.Fill(part, seed);
        }
    }

    public void Dispose()
    {
        _results?.Dispose(); // null where making it has failed
        _stages.ForEach(stage => stage.Dispose());
        _stages.Clear();
    }

    private static CudaStage Stage(ModelGraph graph, GpuStagePlan plan, BackendSizes sizes, CudaOptions options, StepSizes rows, Action<CudaPart> fill)
    {
        List<CudaPart> parts = [];
        try
        {
            for (var i = 0; i < plan.Devices.Length; i++)
            {
                var range = new PartRange(plan.FirstLayer, plan.EndLayer, graph.Layers.Length, new GpuShare(i, plan.Devices.Length));
                parts.Add(new CudaPart(graph, range, plan.Devices[i], options, sizes, rows));
                fill(parts[^1]);
            }

            return new CudaStage([.. parts], graph.HiddenSize, options.UseGraphs);
        }
        catch
        {
            parts.ForEach(part => part.Dispose());
            throw;
        }
    }

    /// <summary>A prompt and two decode steps of slot 0: what is compiled or loaded at its first use is there when the first turn comes.</summary>
    private void WarmUp(int room)
    {
        var batch = new StepBatch(Math.Max(room, 1), 1, 1);
        List<int> pages = [.. Enumerable.Range(0, Math.Min(2, Pages))];
        foreach (var rows in new[] { Math.Min(StateShape.PageTokens + 5, Math.Min(room, pages.Count * StateShape.PageTokens)), 1, 1 })
        {
            batch.Clear();
            batch.NeedsCandidates = rows > 1;
            batch.Add(slot: 0, pages, start: 0, new int[rows], LogitsWanted.Last);
            Run(batch);
        }

        ClearState(slot: 0);
        Synchronize();
    }
}
