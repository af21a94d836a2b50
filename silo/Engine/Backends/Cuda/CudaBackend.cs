using Loire.Cuda;
using Loire.Engine.Backends.Cuda.Weights;
using Loire.Engine.Models;
using Loire.Engine.Placement;
using Loire.Engine.Replica;
using Loire.Engine.Sampling;
using Loire.Engine.State;
using Loire.Engine.Weights;
using Loire.Kernels;

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
    private readonly CudaEvent[] _landed = []; // its results are on the host
    private readonly CudaEvent[] _carried = []; // its tokens are where the next step takes them
    private readonly int _resultRows;
    private readonly int _lanes;
    private readonly int _mostDecodeRows;
    private readonly bool _useCandidates;
    private BatchResults? _newest;
    private long _enqueuedCount;
    private long _landedCount;

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
            Turns = options.OverlapSteps ? plan.Stages.Length : 1;
            MostUnderWay = options.OverlapSteps ? Turns + 1 : 1; // one that waits for each that runs, and one more
            _lanes = Math.Max(pieces, MostUnderWay);
            var logitsRows = Math.Max(sizes.MaxLogitsRows, _mostDecodeRows);
            _resultRows = RowsOfResults(pieces > 1, logitsRows);
            var rows = new StepSizes(Math.Max(BatchPieces.MostRows(sizes.MaxRows, pieces), _mostDecodeRows), _mostDecodeRows, MostUnderWay * _resultRows, _lanes);
            foreach (var stage in plan.Stages)
            {
                _stages.Add(Stage(graph, stage, sizes, options, rows, fill));
            }

            _pieces = new BatchPieces(pieces, sizes.MaxRows, sizes.Slots, logitsRows);
            _states = new CudaStateParts([.. _stages]);
            _results = new StepResults(_stages[^1], MostUnderWay, _resultRows, logitsRows, graph.VocabularySize);
            _landed = [.. Enumerable.Range(0, MostUnderWay).Select(_ => _stages[^1].First.Device.NewEvent())];
            _carried = [.. Enumerable.Range(0, MostUnderWay).Select(_ => _stages[^1].First.Device.NewEvent())];
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

    public int MostUnderWay { get; }

    public int Turns { get; }

    public int Slots { get; }

    public int Pages { get; }

    public IEnumerable<CudaPart> Parts => _stages.SelectMany(stage => stage.Parts);

    /// <summary>Graphs captured, and graphs that took new parameters.</summary>
    public (int Captures, int Updates) GraphCounts => (_stages.Sum(stage => stage.GraphCounts.Captures), _stages.Sum(stage => stage.GraphCounts.Updates));

    /// <summary>Rows of logits that the last stage keeps for all steps under way.</summary>
    /// <param name="stages">Of the model.</param>
    /// <param name="logitsRows">Of a step.</param>
    internal static int RowsOfResults(int stages, int logitsRows) => (stages + 1) * RowsOfResults(areCut: stages > 1, logitsRows);

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

    public bool CanDraw => _useCandidates && RowDraw.Fits(VocabularySize);

    public void Enqueue(StepBatch batch)
    {
        var place = (int)(_enqueuedCount++ % MostUnderWay);
        _newest = _results.Begin(place, batch.NeedsCandidates && _useCandidates);
        if (batch.Follows)
        {
            var carried = _carried[Followed(batch, place)];
            foreach (var stage in _stages)
            {
                stage.Wait(carried);
            }
        }

        var lane = place;
        foreach (var piece in _pieces.Cut(batch))
        {
            Enqueue(piece, lane);
            lane = (lane + 1) % _lanes;
        }

        _stages[^1].First.Stream.Record(_carried[place]);
        _stages[^1].First.Downloads.Record(_landed[place]);
    }

    public int ResultOf(int index) => _newest!.RowOf(index); // a step has been enqueued

    public void Land()
    {
        var place = (int)(_landedCount++ % MostUnderWay);
        _landed[place].Synchronize();
        _results.Land(place);
    }

    /// <summary>Waits for all that is enqueued.</summary>
    public void Synchronize() => _stages.ForEach(stage => stage.Synchronize());

    public int Chosen(int index) => _results.Chosen(index);

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
        LandAll();
        _results?.Dispose(); // null where making it has failed
        Array.ForEach(_landed, landed => landed.Dispose());
        Array.ForEach(_carried, carried => carried.Dispose());
        _stages.ForEach(stage => stage.Dispose());
        _stages.Clear();
    }

    /// <summary>Steps under way use memory that is about to be freed.</summary>
    private void LandAll()
    {
        try
        {
            while (_landedCount < _enqueuedCount)
            {
                _stages[^1].First.Device.MakeCurrent();
                Land();
            }
        }
        catch (CudaException)
        {
            // Whoever waited for a step before has been told; no step of this device runs any more.
        }
    }

    private void Enqueue(StepBatch piece, int lane)
    {
        var form = StepForm.Of(piece, _mostDecodeRows);
        form = form with { HasCandidates = form.HasCandidates && _useCandidates };
        var firstResult = _newest!.Add(piece.LogitsCount, form.LogitsRows).First; // the caller has begun it
        for (var i = 0; i < _stages.Count; i++)
        {
            _stages[i].Enqueue(piece, form, lane, firstResult);
            if (i + 1 < _stages.Count)
            {
                _stages[i].Send(_stages[i + 1], lane);
            }
        }

        foreach (var stage in _stages)
        {
            _stages[^1].Carry(stage);
        }

        _stages[^1].Download();
    }

    /// <summary>The place of the newest step that a batch takes tokens from: steps choose in order.</summary>
    private int Followed(StepBatch batch, int place)
    {
        var age = MostUnderWay;
        foreach (var token in batch.Tokens)
        {
            var from = (-1 - token) / _resultRows;
            age = token < 0 ? Math.Min(age, (place - from + MostUnderWay) % MostUnderWay) : age;
        }

        return (place - age + MostUnderWay) % MostUnderWay;
    }

    /// <summary>Each piece of a step is padded.</summary>
    private static int RowsOfResults(bool areCut, int logitsRows) => areCut ? 2 * logitsRows : logitsRows;

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

    /// <summary>A prompt and decode steps of slot 0, captured in each place: what is compiled or loaded at its first use is there when the first turn comes.</summary>
    private void WarmUp(int room)
    {
        var batch = new StepBatch(Math.Max(room, 1), 1, 1);
        List<int> pages = [.. Enumerable.Range(0, Math.Min(2, Pages))];
        foreach (var rows in Enumerable.Repeat(1, 2 * MostUnderWay).Prepend(Math.Min(StateShape.PageTokens + 5, Math.Min(room, pages.Count * StateShape.PageTokens))))
        {
            batch.Clear();
            batch.NeedsCandidates = rows > 1;
            batch.Add(slot: 0, pages, start: 0, new int[rows], LogitsWanted.Last);
            this.Run(batch);
        }

        ClearState(slot: 0);
        foreach (var part in Parts)
        {
            part.Device.MakeCurrent();
            part.Load.Clear(part.Stream);
        }

        Synchronize();
    }
}
