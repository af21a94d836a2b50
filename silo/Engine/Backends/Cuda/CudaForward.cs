using Loire.Cuda;
using Loire.Engine.Backends.Cuda.Weights;
using Loire.Engine.Models;
using Loire.Kernels;

namespace Loire.Engine.Backends.Cuda;

/// <summary>Enqueues one part's kernels of a step, one after the other on its stream. Nothing here waits for the device.</summary>
/// <remarks>
/// <para>1 <see cref="Begin"/>: embedding, or the stream from the stage before; for each layer: 2 <see cref="Mix"/>: residual, norm and mixer, 3 <see cref="Feed"/>: residual, norm and feed-forward;
/// at the end 4 <see cref="Score"/>: logits of the wanted rows and the best token or tokens of each, and <see cref="Choose"/>, or <see cref="Carry"/>: the stream for the next stage.</para>
/// <para>Where a stage has several parts, each ends 2 and 3 by giving its share of the sum to all of them, and the next norm adds them: the caller lets the parts meet in between.</para>
/// <para>In a decode step queries, keys and values are fp32 up to the state or the page: it costs nothing there. Beside pieces of prompts they are T, so a row's last bits depend on which step it is in.</para>
/// <para>In a post-norm model the residual is the norm itself, and the stream holds that.</para>
/// </remarks>
internal sealed class CudaForward : IDisposable
{
    private readonly ModelGraph _graph;
    private readonly CudaPart _part;
    private readonly CudaWeights _weights;
    private readonly CudaKernels _kernels;
    private readonly CudaBuffers _buffers;
    private readonly ForwardConstants _constants;
    private PartSums? _sums;
    private StepForm _form;
    private StepInputs _step;
    private NormInput _input;

    public CudaForward(ModelGraph graph, CudaPart part)
    {
        _graph = graph;
        _part = part;
        _weights = part.Weights;
        _kernels = part.Kernels;
        _buffers = part.Buffers;
        _constants = new ForwardConstants(part);
    }

    private CudaStream Stream => _part.Stream;

    /// <summary>Where the part's sums go, once all parts of the stage are there; without one the part has all of each layer.</summary>
    public void Join(PartSums sums) => _sums = sums;

    /// <summary>The step's integers are on the device, and so is the stream where it comes from another stage.</summary>
    /// <param name="form">Of the step.</param>
    /// <param name="lane">Of the step.</param>
    /// <param name="follows">Some of its tokens are what earlier steps have chosen.</param>
    public void Begin(in StepForm form, Lane lane, bool follows)
    {
        _form = form;
        if (follows)
        {
            lane.Block.EnqueueTake(_kernels.Choice, Stream, form, _part.Carried.AsVector<int>());
        }

        _step = lane.Block.Inputs(form);
        _input = _part.Range.IsFirst
            ? NormInput.OfTokens(_weights.Embedding.Address, lane.Block.Tokens(form))
            : NormInput.OfStream(lane.Carry.Address);
    }

    /// <param name="index">Of the layer in the stage.</param>
    public void Mix(int index)
    {
        var layer = _weights.Layers[index];
        var residual = layer.Spec.MixerResidual;
        Norm(layer.MixerNorm, layer.Spec.MixerNorm, residual, isNormWanted: false);
        if (layer.Mixer is LightningWeights lightning)
        {
            EnqueueLightning(layer.Spec.Index, lightning);
        }
        else
        {
            EnqueueSoftmax(layer.Spec.Index, (SoftmaxWeights)layer.Mixer);
        }

        _input = _sums is { } sums
            ? sums.OfMixer(layer.Mixer as LightningWeights, _form.Rows) with { Skip = _buffers.Stream, Alpha = residual.Alpha, Beta = residual.Beta }
            : NormInput.OfResidual(_buffers.Stream, residual.Alpha, _buffers.Projected, residual.Beta);
    }

    /// <param name="index">Of the layer in the stage.</param>
    public void Feed(int index)
    {
        var layer = _weights.Layers[index];
        var residual = layer.Spec.FeedForwardResidual;
        Norm(layer.FeedForwardNorm, layer.Spec.FeedForwardNorm, residual, isNormWanted: true);
        var terms = EnqueueFeedForward(layer, _form.Rows);
        _input = (_sums is { } sums ? sums.OfFeedForward(layer.FeedForward, terms, _form.Rows) : terms) with { Skip = _buffers.Stream, Alpha = residual.Alpha, Beta = residual.Beta };
    }

    /// <summary>Logits of this part's tokens for the wanted rows, and the best of them.</summary>
    /// <param name="lane">Of the step.</param>
    /// <param name="first">Row of the results where the step's begin.</param>
    public void Score(Lane lane, int first)
    {
        if (_form.LogitsRows == 0)
        {
            return;
        }

        var (rows, results) = (_form.LogitsRows, _part.Results!); // the last stage has them
        _kernels.Norm.Enqueue(
            Stream, _input.At(lane.Block.LogitsRows(_form)), _weights.FinalNorm.Floats, _graph.NormEpsilon,
            new NormOutput { Rows = rows, X = results.Device.X(first) });
        var logits = results.Device.Logits(first, rows);
        _kernels.Linear.Enqueue(
            Stream, results.Device.X(first), rows, _graph.HiddenSize,
            new LinearOutput(_weights.Output.Address, checked((int)logits.Columns), logits.Address, IsFloat: true));
        _kernels.Greedy.Enqueue(Stream, logits, results.Device.GreedyTokens(first, rows), results.Device.GreedyLogProbs(first, rows), results.Device.Sampling, results.Device.GreedyMaxima(first, rows));
        if (_form.HasCandidates)
        {
            results.Candidates.Enqueue(_kernels.Top, Stream, logits, first);
        }
    }

    /// <summary>Chooses tokens from the scores of all parts, which are complete when the stream comes here.</summary>
    /// <param name="parts">Of the stage, this one first.</param>
    /// <param name="lane">Of the step.</param>
    /// <param name="first">Row of the results where the step's begin.</param>
    public void Choose(ReadOnlySpan<CudaPart> parts, Lane lane, int first)
    {
        if (_form.LogitsRows > 0)
        {
            _part.Results!.EnqueueChoice(parts, lane.Block.Choices(_form), first, _form, _graph.VocabularySize); // the last stage has them
        }
    }

    /// <summary>Leaves the stream after the last layer, which the next stage begins with, in the place of what was projected last.</summary>
    public void Carry()
    {
        var last = _weights.Layers[^1];
        _kernels.Norm.Enqueue(Stream, _input, last.FeedForwardNorm.Floats, last.Spec.FeedForwardNorm.Epsilon, new NormOutput
        {
            Rows = _form.Rows,
            X = _buffers.X, // nobody's: the next stage has a norm of its own
            Stream = _buffers.Projected,
        });
    }

    public void Dispose() => _constants.Dispose();

    private void Norm(WeightRef weight, NormSpec norm, ResidualSpec residual, bool isNormWanted) =>
        _kernels.Norm.Enqueue(Stream, _input, weight.Floats, norm.Epsilon, new NormOutput
        {
            Rows = _form.Rows,
            X = _buffers.X,
            Stream = residual.PostNorm ? 0 : _buffers.Stream,
            Normed = residual.PostNorm ? _buffers.Stream : isNormWanted ? _buffers.Normed : 0,
        });

    private void EnqueueLightning(int layer, LightningWeights mixer)
    {
        var width = mixer.Width;
        _kernels.Linear.Enqueue(
            Stream, _buffers.X, _step.Rows, _graph.HiddenSize,
            new LinearOutput(mixer.Qkv.Address, 3 * width, _buffers.Qkv, IsFloat: _step.IsDecode, Activation.Silu),
            new LinearOutput(mixer.Gate.Address, width, _buffers.Gate, IsFloat: true));
        var mixed = new DeviceMatrix<float>(_buffers.Mixed, _step.Rows, width);
        var (slopes, decays) = _constants.SlopesOf(layer);
        _kernels.LightningOf(mixer.Spec.HeadDim).Enqueue(Stream, _step, new LightningOperands(
            mixer.Spec.Heads, mixer.Spec.HeadDim, new ElementRows(_buffers.Qkv, 3L * width), _part.States.RecurrentOf(layer), slopes, decays, mixed, IsQkvFloat: _step.IsDecode));
        var squares = _sums is null ? 0 : _buffers.MixedSquares; // a norm over the heads of all parts is a factor of their sum
        _kernels.GatedNorm.Enqueue(Stream, mixed, new ElementRows(_buffers.Gate, width), isGateFloat: true, mixer.Norm.Address, _buffers.MixerOutput, mixer.Spec.NormEpsilon, squares);
        _kernels.Linear.Enqueue(Stream, _buffers.MixerOutput, _step.Rows, width, new LinearOutput(mixer.Output.Address, _graph.HiddenSize, _buffers.Projected, IsFloat: true));
    }

    private void EnqueueSoftmax(int layer, SoftmaxWeights mixer)
    {
        var qkv = new ElementRows(_buffers.Qkv, mixer.QkvWidth);
        var queries = _step.IsDecode ? new ElementRows(_buffers.Queries, mixer.Width) : qkv;
        var pages = _part.States.PagesOf(layer);
        _kernels.Linear.Enqueue(Stream, _buffers.X, _step.Rows, _graph.HiddenSize, new LinearOutput(mixer.Qkv.Address, mixer.QkvWidth, _buffers.Qkv, IsFloat: _step.IsDecode));
        _kernels.Rope.Enqueue(Stream, _step, qkv, queries, mixer.Spec.Heads, pages, _constants.FrequenciesOf(layer), isQkvFloat: _step.IsDecode);
        _kernels.AttentionOf(mixer.Spec).Enqueue(Stream, _step, queries, pages, _buffers.MixerOutput, _buffers.Scratch);
        _kernels.Linear.Enqueue(Stream, _buffers.MixerOutput, _step.Rows, mixer.Width, new LinearOutput(mixer.Output.Address, _graph.HiddenSize, _buffers.Projected, IsFloat: true));
    }

    /// <returns>What it adds to the stream.</returns>
    private NormInput EnqueueFeedForward(CudaLayer layer, int rows)
    {
        var weights = layer.FeedForward;
        var chosen = new DeviceMatrix<int>(weights.Mixture is null ? _buffers.AlwaysFirst : _buffers.Chosen, rows, weights.Choices);
        var groups = new ExpertGroups(new(_buffers.Offsets, weights.ExpertCount + 1), new(_buffers.Order, chosen.Length));
        if (weights.Mixture is { } mixture)
        {
            var normed = new DeviceMatrix<float>(layer.Spec.FeedForwardResidual.PostNorm ? _buffers.Stream : _buffers.Normed, rows, _graph.HiddenSize);
            var choice = new RouterChoice(chosen, new DeviceMatrix<float>(_buffers.ChoiceWeights, rows, weights.Choices), weights.Shared is null ? 0 : _buffers.SharedWeights);
            var load = new ExpertLoad(_part.Load.Counts, _step.SequenceOfRow, _step.Slot, SpareSlot: _part.States.Slots);
            _kernels.Router.Route(Stream, normed, weights.Router.Address, GateOf(mixture, weights), choice, groups, load);
        }
        else
        {
            _kernels.Router.Group(Stream, chosen.AsVector(), groups);
        }

        Experts(weights.Experts, chosen, groups, _buffers.ExpertOutput);
        if (weights.Shared is { } shared)
        {
            var all = new DeviceMatrix<int>(_buffers.AlwaysFirst, rows, 1);
            var one = new ExpertGroups(new(_buffers.SharedOffsets, 2), new(_buffers.SharedOrder, rows));
            _kernels.Router.Group(Stream, all.AsVector(), one);
            Experts(shared, all, one, _buffers.SharedOutput);
        }

        return new NormInput
        {
            Terms = _buffers.ExpertOutput,
            Choices = weights.Choices,
            TermWeights = weights.Mixture is null ? 0 : _buffers.ChoiceWeights,
            Shared = weights.Shared is null ? 0 : _buffers.SharedOutput,
            SharedWeights = weights.Shared is null ? 0 : _buffers.SharedWeights,
        };
    }

    private void Experts(GatedWeights weights, DeviceMatrix<int> chosen, in ExpertGroups groups, ulong output) =>
        _kernels.Experts.Enqueue(Stream, _buffers.X, weights.View, chosen, groups, _buffers.Activated, new DeviceMatrix<float>(output, chosen.Length, _graph.HiddenSize));

    private static SharedGate GateOf(MoeSpec mixture, FeedForwardWeights weights) => mixture.Shared?.Mode switch
    {
        null => new SharedGate(SharedGateMode.None, 0),
        SharedExpertMode.Sigmoid => new SharedGate(SharedGateMode.Sigmoid, weights.Coefficient.Address),
        _ => new SharedGate(SharedGateMode.Softmax, weights.Coefficient.Address),
    };
}
