using Loire.Engine.Backends.Cpu.Kernels;
using Loire.Engine.Backends.Cpu.Layers;
using Loire.Engine.Backends.Cpu.Links;
using Loire.Engine.Links;
using Loire.Engine.Models;
using Loire.Engine.Replica;

namespace Loire.Engine.Backends.Cpu;

/// <summary>One step of a replica, or of a stage of one: every worker runs the layers that are in this process at once.</summary>
/// <remarks>
/// Stages and shards of this process share its cores and its memory, so a tensor link between them is a pointer: the program
/// walks their layers in order and finds every expert in its shard. Between the layers of two such spans the residual stream
/// goes to a stage on another silo and comes back; what comes of it is the same to the bit, as each row is normed anew from it.
/// </remarks>
internal sealed unsafe class CpuForward : ITeamWork, IDisposable
{
    /// <summary>Fewer rows are decode: a step of a millisecond, in which dozens of barriers are most of what a taken core costs.</summary>
    private const int ShortStepRows = 32;

    private readonly ModelGraph _graph;
    private readonly CpuLayer[] _layers;
    private readonly FeedForward[] _feedForwards;
    private readonly Span[] _spans;
    private readonly EmbeddingTable? _embedding;
    private readonly CpuBuffer<float>? _finalNorm;
    private readonly PackedMatrix? _output;
    private readonly float[] _inverseFrequencies;
    private readonly WorkerTeam _team;
    private readonly StepContext _step;
    private Span _running;

    /// <param name="graph">Of the whole model.</param>
    /// <param name="stages">In layer order; those on other silos are linked already.</param>
    /// <param name="shards">Covering every expert once.</param>
    /// <param name="team">Computes.</param>
    /// <param name="maxRows">Of a step.</param>
    /// <param name="maxLogitsRows">Of a step.</param>
    public CpuForward(ModelGraph graph, IReadOnlyList<ICpuStage> stages, IReadOnlyList<ICpuShard> shards, WorkerTeam team, int maxRows, int maxLogitsRows)
    {
        _graph = graph;
        _team = team;
        _layers = [.. stages.OfType<CpuStage>().SelectMany(stage => stage.Layers)];
        _embedding = (stages[0] as CpuStage)?.Embedding;
        _finalNorm = (stages[^1] as CpuStage)?.FinalNorm;
        _output = (stages[^1] as CpuStage)?.Output;
        _spans = [.. SpansOf(stages)];
        _feedForwards = [.. _layers.Select(layer => new FeedForward(layer))];
        Route(shards);
        _inverseFrequencies = RotaryFrequencies(graph);
        _step = Allocate(maxRows, maxLogitsRows);
    }

    public StepContext Step => _step;

    /// <summary>Logits of the last step, in the order of the batch's logits rows.</summary>
    public ReadOnlySpan<float> Logits(int index) =>
        new(_step.Buffers.Logits + ((long)index * _graph.VocabularySize), _graph.VocabularySize);

    /// <summary>Computes the batch: advances every sequence's state and keys and values, and fills the logits.</summary>
    /// <remarks>Without a stage that has the embedding, the residual stream is there already, and stays there without one that has the output.</remarks>
    /// <exception cref="PartLostException">A part on another silo is lost, and the states of all sequences with it.</exception>
    public void Run(StepBatch batch)
    {
        _step.Batch = batch;
        _step.Failure = null;
        _step.StartLaps();
        foreach (var span in _spans)
        {
            if (span.Remote is { } remote)
            {
                remote.Run(_step);
                _step.LapOfFirst(StepPart.Links);
            }
            else
            {
                _running = span;
                _team.Run(this, isShort: batch.RowCount < ShortStepRows);
            }

            if (_step.Failure is { } lost)
            {
                throw lost;
            }
        }
    }

    /// <summary>Says where the experts are. Between two steps.</summary>
    public void Route(IReadOnlyList<ICpuShard> shards) => Array.ForEach(_feedForwards, feedForward => feedForward.Route(shards));

    void ITeamWork.Run(Worker worker)
    {
        var (first, end, _) = _running;
        Enter(worker, first);
        worker.Barrier();
        for (var i = first; i < end; i++)
        {
            var layer = _layers[i];
            _step.Lap(worker, StepPart.Other);
            layer.Mixer.Run(worker, _step);
            JoinMixer(worker, layer, _feedForwards[i]);
            worker.Barrier();
            _step.Lap(worker, StepPart.Other);
            _feedForwards[i].Run(worker, _step);
            JoinFeedForward(worker, layer, _feedForwards[i], i + 1 < end ? _layers[i + 1] : null);
            worker.Barrier();
        }

        _step.Lap(worker, StepPart.Other);
        if (_output is not null && _finalNorm is not null && end == _layers.Length)
        {
            ComputeLogits(worker, _finalNorm, _output);
            _step.Lap(worker, StepPart.Logits);
        }
    }

    public void Dispose() => _step.Dispose();

    /// <summary>Neighbours in this process are one span.</summary>
    private static IEnumerable<Span> SpansOf(IReadOnlyList<ICpuStage> stages)
    {
        var (first, end) = (0, 0);
        foreach (var stage in stages)
        {
            if (stage is CpuStage local)
            {
                end += local.Layers.Length;
                continue;
            }

            if (end > first)
            {
                yield return new Span(first, end, null);
                first = end;
            }

            yield return new Span(0, 0, (RemoteStage)stage);
        }

        if (end > first)
        {
            yield return new Span(first, end, null);
        }
    }

    private static float[] RotaryFrequencies(ModelGraph graph)
    {
        var softmax = graph.Layers.Select(layer => layer.Mixer).OfType<SoftmaxSpec>().ToArray();
        return softmax.Select(mixer => (mixer.RotaryDim, mixer.RopeTheta)).Distinct().Count() switch
        {
            0 => [],
            1 => Rope.InverseFrequencies(softmax[0].RotaryDim, softmax[0].RopeTheta),
            _ => throw new NotSupportedException("Softmax layers with different rotary positions in one model."),
        };
    }

    private StepContext Allocate(int maxRows, int maxLogitsRows)
    {
        var shapes = _layers.Select(layer => layer.Mixer.Shape).ToArray();
        var widths = new BufferWidths(
            _graph.HiddenSize,
            shapes.Max(shape => shape.Projected),
            shapes.Max(shape => shape.Mixed),
            _feedForwards.Max(feedForward => feedForward.MaxWidth),
            _feedForwards.Max(feedForward => feedForward.Choices),
            _feedForwards.Max(feedForward => feedForward.ExpertCount),
            _graph.VocabularySize);
        var scratch = Enumerable.Range(0, _team.Count)
            .Select(_ => new WorkerScratch(maxRows, widths.Choices, widths.Experts, shapes.Max(shape => shape.HeadDim), shapes.Max(shape => shape.QueriesPerKey)))
            .ToArray();
        return new StepContext(new StepBuffers(widths, maxRows, maxLogitsRows, _inverseFrequencies.Length), scratch);
    }

    /// <summary>The stream of the span's first layer: from the embedding, or as it came; and its first norm.</summary>
    private void Enter(Worker worker, int layer)
    {
        var (first, end) = worker.Share(_step.Batch.RowCount);
        for (var row = first; row < end; row++)
        {
            var stream = Row(_step.Buffers.Stream, row);
            if (layer == 0)
            {
                _embedding?.Read(_step.Batch.Tokens[row], stream);
            }

            VectorMath.RmsNorm(stream, _layers[layer].MixerNorm.Pointer, Row(_step.Buffers.Normed, row), _graph.HiddenSize, _layers[layer].Spec.MixerNorm.Epsilon);
            Rope.Fill(
                _step.Buffers.Cosines + ((long)row * _inverseFrequencies.Length),
                _step.Buffers.Sines + ((long)row * _inverseFrequencies.Length),
                _inverseFrequencies,
                _step.Batch.Positions[row]);
        }
    }

    /// <summary>Residual after the mixer, the second norm, and the choice of experts.</summary>
    private void JoinMixer(Worker worker, CpuLayer layer, FeedForward feedForward)
    {
        var (first, end) = worker.Share(_step.Batch.RowCount);
        for (var row = first; row < end; row++)
        {
            Residual(layer.Spec.MixerResidual, row, Row(_step.Buffers.Output, row));
            VectorMath.RmsNorm(Row(_step.Buffers.Stream, row), layer.FeedForwardNorm.Pointer, Row(_step.Buffers.Normed, row), _graph.HiddenSize, layer.Spec.FeedForwardNorm.Epsilon);
            feedForward.Choose(_step, row);
        }
    }

    /// <summary>The experts' sum, the residual, and the next layer's first norm.</summary>
    private void JoinFeedForward(Worker worker, CpuLayer layer, FeedForward feedForward, CpuLayer? next)
    {
        var (first, end) = worker.Share(_step.Batch.RowCount);
        for (var row = first; row < end; row++)
        {
            feedForward.Combine(_step, row, Row(_step.Buffers.Output, row));
            Residual(layer.Spec.FeedForwardResidual, row, Row(_step.Buffers.Output, row));
            if (next is not null)
            {
                VectorMath.RmsNorm(Row(_step.Buffers.Stream, row), next.MixerNorm.Pointer, Row(_step.Buffers.Normed, row), _graph.HiddenSize, next.Spec.MixerNorm.Epsilon);
            }
        }
    }

    private void Residual(ResidualSpec residual, int row, float* output)
    {
        var stream = Row(_step.Buffers.Stream, row);
        var skip = residual.PostNorm ? Row(_step.Buffers.Normed, row) : stream;
        VectorMath.Residual(skip, residual.Alpha, output, residual.Beta, stream, _graph.HiddenSize);
    }

    private void ComputeLogits(Worker worker, CpuBuffer<float> finalNorm, PackedMatrix output)
    {
        var wanted = _step.Batch.LogitsRows;
        var (first, end) = worker.Share(wanted.Length);
        for (var i = first; i < end; i++)
        {
            VectorMath.RmsNorm(Row(_step.Buffers.Stream, wanted[i]), finalNorm.Pointer, Row(_step.Buffers.FinalNormed, i), _graph.HiddenSize, _graph.NormEpsilon);
        }

        worker.Barrier();
        _step.Product(worker, output, _step.Buffers.FinalNormed, _graph.HiddenSize, wanted.Length, new Copy(_step.Buffers.Logits, _graph.VocabularySize, _graph.VocabularySize));
        worker.Barrier();
    }

    private float* Row(float* matrix, int row) => matrix + ((long)row * _graph.HiddenSize);

    /// <summary>Layers [First, End) of those in this process, or a stage elsewhere.</summary>
    private readonly record struct Span(int First, int End, RemoteStage? Remote);
}
