using Loire.Cuda;
using Loire.Engine.Backends.Cuda.Weights;
using Loire.Engine.Models;
using Loire.Kernels;

namespace Loire.Engine.Backends.Cuda;

/// <summary>Enqueues a step: the graph's layers, one kernel after the other on one stream. Nothing here waits for the device.</summary>
/// <remarks>
/// <para>1 embedding and first norm; for each layer: 2 mixer, 3 residual and second norm, 4 feed-forward, 5 residual and the next layer's first norm; 6 logits of the wanted rows and the best token of each.</para>
/// <para>In a decode step queries, keys and values are fp32 up to the state or the page: it costs nothing there. Beside pieces of prompts they are T, so a row's last bits depend on which step it is in.</para>
/// <para>In a post-norm model the residual is the norm itself, and the stream holds that.</para>
/// </remarks>
internal sealed class CudaForward : IDisposable
{
    private readonly ModelGraph _graph;
    private readonly CudaWeights _weights;
    private readonly CudaKernels _kernels;
    private readonly CudaBuffers _buffers;
    private readonly CudaStates _states;
    private readonly StepBlock _block;
    private readonly LogitsReader _results;
    private readonly DeviceArena _constants;
    private readonly Dictionary<int, (DeviceVector<float> Slopes, DeviceVector<float> Decays)> _slopes = [];
    private readonly Dictionary<int, DeviceVector<float>> _frequencies = [];

    public CudaForward(ModelGraph graph, CudaDevice device, CudaStream stream, CudaWeights weights, CudaKernels kernels, CudaBuffers buffers, CudaStates states, StepBlock block, LogitsReader results)
    {
        _graph = graph;
        _weights = weights;
        _kernels = kernels;
        _buffers = buffers;
        _states = states;
        _block = block;
        _results = results;
        _constants = UploadConstants(device, stream);
    }

    /// <summary>The whole step, its integers being on the device.</summary>
    public void Enqueue(CudaStream stream, in StepForm form)
    {
        var step = _block.Inputs(form);
        var input = NormInput.OfTokens(_weights.Embedding.Address, _block.Tokens(form));
        foreach (var layer in _weights.Layers)
        {
            Norm(stream, input, layer.MixerNorm, layer.Spec.MixerNorm, layer.Spec.MixerResidual, form.Rows, isNormWanted: false);
            EnqueueMixer(stream, layer, step);
            var residual = layer.Spec.MixerResidual;
            input = NormInput.OfResidual(_buffers.Stream, residual.Alpha, _buffers.Projected, residual.Beta);

            Norm(stream, input, layer.FeedForwardNorm, layer.Spec.FeedForwardNorm, layer.Spec.FeedForwardResidual, form.Rows, isNormWanted: true);
            input = EnqueueFeedForward(stream, layer, form.Rows);
        }

        if (form.LogitsRows > 0)
        {
            EnqueueLogits(stream, input, form);
        }
    }

    public void Dispose() => _constants.Dispose();

    private void Norm(CudaStream stream, in NormInput input, WeightRef weight, NormSpec norm, ResidualSpec residual, int rows, bool isNormWanted) =>
        _kernels.Norm.Enqueue(stream, input, weight.Floats, norm.Epsilon, new NormOutput
        {
            Rows = rows,
            X = _buffers.X,
            Stream = residual.PostNorm ? 0 : _buffers.Stream,
            Normed = residual.PostNorm ? _buffers.Stream : isNormWanted ? _buffers.Normed : 0,
        });

    private void EnqueueMixer(CudaStream stream, CudaLayer layer, in StepInputs step)
    {
        if (layer.Mixer is LightningWeights lightning)
        {
            EnqueueLightning(stream, layer.Spec.Index, lightning, step);
        }
        else
        {
            EnqueueSoftmax(stream, layer.Spec.Index, (SoftmaxWeights)layer.Mixer, step);
        }
    }

    private void EnqueueLightning(CudaStream stream, int layer, LightningWeights mixer, in StepInputs step)
    {
        var width = mixer.Width;
        _kernels.Linear.Enqueue(
            stream, _buffers.X, step.Rows, _graph.HiddenSize,
            new LinearOutput(mixer.Qkv.Address, 3 * width, _buffers.Qkv, IsFloat: step.IsDecode, Activation.Silu),
            new LinearOutput(mixer.Gate.Address, width, _buffers.Gate, IsFloat: true));
        var mixed = new DeviceMatrix<float>(_buffers.Mixed, step.Rows, width);
        var (slopes, decays) = _slopes[layer];
        _kernels.LightningOf(mixer.Spec.HeadDim).Enqueue(stream, step, new LightningOperands(
            mixer.Spec.Heads, mixer.Spec.HeadDim, new ElementRows(_buffers.Qkv, 3L * width), _states.RecurrentOf(layer), slopes, decays, mixed, IsQkvFloat: step.IsDecode));
        _kernels.GatedNorm.Enqueue(stream, mixed, new ElementRows(_buffers.Gate, width), isGateFloat: true, mixer.Norm.Address, _buffers.MixerOutput, mixer.Spec.NormEpsilon);
        _kernels.Linear.Enqueue(stream, _buffers.MixerOutput, step.Rows, width, new LinearOutput(mixer.Output.Address, _graph.HiddenSize, _buffers.Projected, IsFloat: true));
    }

    private void EnqueueSoftmax(CudaStream stream, int layer, SoftmaxWeights mixer, in StepInputs step)
    {
        var qkv = new ElementRows(_buffers.Qkv, mixer.QkvWidth);
        var queries = step.IsDecode ? new ElementRows(_buffers.Queries, mixer.Width) : qkv;
        var pages = _states.PagesOf(layer);
        _kernels.Linear.Enqueue(stream, _buffers.X, step.Rows, _graph.HiddenSize, new LinearOutput(mixer.Qkv.Address, mixer.QkvWidth, _buffers.Qkv, IsFloat: step.IsDecode));
        _kernels.Rope.Enqueue(stream, step, qkv, queries, mixer.Spec.Heads, pages, _frequencies[layer], isQkvFloat: step.IsDecode);
        _kernels.AttentionOf(mixer.Spec).Enqueue(stream, step, queries, pages, _buffers.MixerOutput, _buffers.Scratch);
        _kernels.Linear.Enqueue(stream, _buffers.MixerOutput, step.Rows, mixer.Width, new LinearOutput(mixer.Output.Address, _graph.HiddenSize, _buffers.Projected, IsFloat: true));
    }

    /// <returns>What the next norm takes.</returns>
    private NormInput EnqueueFeedForward(CudaStream stream, CudaLayer layer, int rows)
    {
        var residual = layer.Spec.FeedForwardResidual;
        var weights = layer.FeedForward;
        var chosen = new DeviceMatrix<int>(weights.Mixture is null ? _buffers.AlwaysFirst : _buffers.Chosen, rows, weights.Choices);
        var groups = new ExpertGroups(new(_buffers.Offsets, weights.ExpertCount + 1), new(_buffers.Order, chosen.Length));
        if (weights.Mixture is { } mixture)
        {
            var normed = new DeviceMatrix<float>(residual.PostNorm ? _buffers.Stream : _buffers.Normed, rows, _graph.HiddenSize);
            var choice = new RouterChoice(chosen, new DeviceMatrix<float>(_buffers.ChoiceWeights, rows, weights.Choices), weights.Shared is null ? 0 : _buffers.SharedWeights);
            _kernels.Router.Route(stream, normed, weights.Router.Address, GateOf(mixture, weights), choice, groups);
        }
        else
        {
            _kernels.Router.Group(stream, chosen.AsVector(), groups);
        }

        Experts(stream, weights.Experts, chosen, groups, _buffers.ExpertOutput);
        if (weights.Shared is { } shared)
        {
            var all = new DeviceMatrix<int>(_buffers.AlwaysFirst, rows, 1);
            var one = new ExpertGroups(new(_buffers.SharedOffsets, 2), new(_buffers.SharedOrder, rows));
            _kernels.Router.Group(stream, all.AsVector(), one);
            Experts(stream, shared, all, one, _buffers.SharedOutput);
        }

        return new NormInput
        {
            Skip = _buffers.Stream,
            Alpha = residual.Alpha,
            Beta = residual.Beta,
            Terms = _buffers.ExpertOutput,
            Choices = weights.Choices,
            TermWeights = weights.Mixture is null ? 0 : _buffers.ChoiceWeights,
            Shared = weights.Shared is null ? 0 : _buffers.SharedOutput,
            SharedWeights = weights.Shared is null ? 0 : _buffers.SharedWeights,
        };
    }

    private void Experts(CudaStream stream, GatedWeights weights, DeviceMatrix<int> chosen, in ExpertGroups groups, ulong output) =>
        _kernels.Experts.Enqueue(stream, _buffers.X, weights.View, chosen, groups, _buffers.Activated, new DeviceMatrix<float>(output, chosen.Length, _graph.HiddenSize));

    private static SharedGate GateOf(MoeSpec mixture, FeedForwardWeights weights) => mixture.Shared?.Mode switch
    {
        null => new SharedGate(SharedGateMode.None, 0),
        SharedExpertMode.Sigmoid => new SharedGate(SharedGateMode.Sigmoid, weights.Coefficient.Address),
        _ => new SharedGate(SharedGateMode.Softmax, weights.Coefficient.Address),
    };

    private void EnqueueLogits(CudaStream stream, in NormInput input, in StepForm form)
    {
        _kernels.Norm.Enqueue(
            stream, input.At(_block.LogitsRows(form)), _weights.FinalNorm.Floats, _graph.NormEpsilon,
            new NormOutput { Rows = form.LogitsRows, X = _buffers.FinalX });
        var logits = _buffers.Logits(form.LogitsRows);
        _kernels.Linear.Enqueue(
            stream, _buffers.FinalX, form.LogitsRows, _graph.HiddenSize,
            new LinearOutput(_weights.Output.Address, _graph.VocabularySize, logits.Address, IsFloat: true));
        _kernels.Greedy.Enqueue(stream, logits, _buffers.GreedyTokens(form.LogitsRows), _buffers.GreedyLogProbs(form.LogitsRows), _buffers.Sampling);
        _results.EnqueueGreedy(stream, form.LogitsRows);
    }

    /// <summary>What depends on the config alone: slopes of lightning heads, rotary frequencies.</summary>
    private DeviceArena UploadConstants(CudaDevice device, CudaStream stream)
    {
        var bytes = _weights.Layers.Sum(layer => layer.Spec.Mixer switch
        {
            LightningSpec lightning => 2 * DeviceArena.Footprint<float>(lightning.Heads),
            SoftmaxSpec softmax => DeviceArena.Footprint<float>(softmax.RotaryDim / 2),
            _ => 0,
        });
        var arena = new DeviceArena(device, bytes, "constants");
        DeviceVector<float> Put(ReadOnlySpan<float> values)
        {
            var view = arena.Take<float>(values.Length);
            stream.Upload(values, view);
            return view;
        }

        foreach (var layer in _weights.Layers)
        {
            switch (layer.Spec.Mixer)
            {
                case LightningSpec lightning:
                    _slopes[layer.Spec.Index] = (Put(lightning.Slopes.AsSpan()), Put([.. lightning.Slopes.Select(slope => (float)Math.Exp(-(double)slope))]));
                    break;
                case SoftmaxSpec softmax:
                    _frequencies[layer.Spec.Index] = Put(RopeReference.InverseFrequencies(softmax.RotaryDim, softmax.RopeTheta));
                    break;
            }
        }

        stream.Fill(new DeviceVector<int>(_buffers.AlwaysFirst, _buffers.Rows), 0);
        return arena;
    }
}
