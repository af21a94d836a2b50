using Loire.Engine.Backends.Cpu.Kernels;
using Loire.Engine.Backends.Cpu.Layers;
using Loire.Engine.Models;

namespace Loire.Engine.Backends.Cpu;

/// <summary>One step of a whole replica on this process's cores: every worker runs <see cref="Run"/> at once.</summary>
/// <remarks>
/// Stages and shards on the CPU share its cores and its memory, so a tensor link between them is a pointer: the program walks
/// the layers of all stages in order and finds every expert in its shard.
/// </remarks>
internal sealed unsafe class CpuForward : ITeamWork, IDisposable
{
    private readonly ModelGraph _graph;
    private readonly CpuLayer[] _layers;
    private readonly FeedForward[] _feedForwards;
    private readonly EmbeddingTable _embedding;
    private readonly CpuBuffer<float> _finalNorm;
    private readonly PackedMatrix _output;
    private readonly float[] _inverseFrequencies;
    private readonly WorkerTeam _team;
    private readonly StepContext _step;

    public CpuForward(ModelGraph graph, IReadOnlyList<CpuStage> stages, IReadOnlyList<CpuShard> shards, WorkerTeam team, int maxRows, int maxLogitsRows)
    {
        _graph = graph;
        _team = team;
        _layers = [.. stages.SelectMany(stage => stage.Layers)];
        _embedding = stages[0].Embedding ?? throw new ArgumentException("The first stage has no embedding.", nameof(stages));
        _finalNorm = stages[^1].FinalNorm ?? throw new ArgumentException("The last stage has no final norm.", nameof(stages));
        _output = stages[^1].Output ?? throw new ArgumentException("The last stage has no output matrix.", nameof(stages));
        _feedForwards = [.. _layers.Select(layer => new FeedForward(layer.Router, ExpertsOf(layer, shards)))];
        foreach (var shard in shards)
        {
            shard.ServedBy([.. _feedForwards.Zip(_layers, (serving, layer) => layer.Spec.FeedForward is MoeSpec ? serving : null)]);
        }

        _inverseFrequencies = RotaryFrequencies(graph);
        _step = Allocate(maxRows, maxLogitsRows);
    }

    public StepContext Step => _step;

    /// <summary>Logits of the last step, in the order of the batch's logits rows.</summary>
    public ReadOnlySpan<float> Logits(int index) =>
        new(_step.Buffers.Logits + ((long)index * _graph.VocabularySize), _graph.VocabularySize);

    /// <summary>Computes the batch: advances every sequence's state and keys and values, and fills the logits.</summary>
    public void Run(StepBatch batch)
    {
        _step.Batch = batch;
        _step.StartLaps();
        _team.Run(this);
    }

    /// <summary>Counts the rows of each expert from here on.</summary>
    public void ClearLoad() => Array.ForEach(_feedForwards, feedForward => feedForward.ClearLoad());

    void ITeamWork.Run(Worker worker)
    {
        Embed(worker);
        worker.Barrier();
        for (var i = 0; i < _layers.Length; i++)
        {
            var layer = _layers[i];
            _step.Lap(worker, StepPart.Other);
            layer.Mixer.Run(worker, _step);
            JoinMixer(worker, layer, _feedForwards[i]);
            worker.Barrier();
            _step.Lap(worker, StepPart.Other);
            _feedForwards[i].Run(worker, _step);
            JoinFeedForward(worker, layer, _feedForwards[i], i + 1 < _layers.Length ? _layers[i + 1] : null);
            worker.Barrier();
        }

        _step.Lap(worker, StepPart.Other);
        ComputeLogits(worker);
        _step.Lap(worker, StepPart.Logits);
    }

    public void Dispose() => _step.Dispose();

    private static Expert[] ExpertsOf(CpuLayer layer, IReadOnlyList<CpuShard> shards)
    {
        if (layer.Spec.FeedForward is not MoeSpec moe)
        {
            return [layer.OwnExpert!]; // a dense layer always has it
        }

        var experts = Enumerable.Range(0, moe.Experts).Select(expert =>
            shards.Select(shard => shard.Find(layer.Spec.Index, expert)).FirstOrDefault(found => found is not null)
            ?? throw new ArgumentException($"No shard has expert {expert} of layer {layer.Spec.Index}.", nameof(shards)));
        return layer.OwnExpert is { } shared ? [.. experts, shared] : [.. experts];
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

    private void Embed(Worker worker)
    {
        var (first, end) = worker.Share(_step.Batch.RowCount);
        for (var row = first; row < end; row++)
        {
            var stream = Row(_step.Buffers.Stream, row);
            _embedding.Read(_step.Batch.Tokens[row], stream);
            VectorMath.RmsNorm(stream, _layers[0].MixerNorm.Pointer, Row(_step.Buffers.Normed, row), _graph.HiddenSize, _layers[0].Spec.MixerNorm.Epsilon);
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

    private void ComputeLogits(Worker worker)
    {
        var wanted = _step.Batch.LogitsRows;
        var (first, end) = worker.Share(wanted.Length);
        for (var i = first; i < end; i++)
        {
            VectorMath.RmsNorm(Row(_step.Buffers.Stream, wanted[i]), _finalNorm.Pointer, Row(_step.Buffers.FinalNormed, i), _graph.HiddenSize, _graph.NormEpsilon);
        }

        worker.Barrier();
        _step.Product(worker, _output, _step.Buffers.FinalNormed, _graph.HiddenSize, wanted.Length, new Copy(_step.Buffers.Logits, _graph.VocabularySize, _graph.VocabularySize));
        worker.Barrier();
    }

    private float* Row(float* matrix, int row) => matrix + ((long)row * _graph.HiddenSize);
}
