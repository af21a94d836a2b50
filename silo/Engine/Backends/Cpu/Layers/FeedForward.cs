using System.Runtime.Intrinsics;
using Loire.Engine.Backends.Cpu.Kernels;
using Loire.Engine.Backends.Cpu.Links;
using Loire.Engine.Links;
using Loire.Engine.Models;
using Loire.Engine.Replica;

namespace Loire.Engine.Backends.Cpu.Layers;

/// <summary>The feed-forward of one layer: every row chooses experts, the rows of an expert are computed together, where the expert is.</summary>
/// <remarks>
/// <para>Experts are those of all shards, by number; a shared expert is the last one and every row's last choice; a dense layer is one expert.</para>
/// <para>Rows for shards on other silos leave first and come back last; the experts that are here are computed meanwhile.</para>
/// <para>A row's outputs are combined in the order of its choices, whatever shard or worker computed them.</para>
/// </remarks>
internal sealed unsafe class FeedForward
{
    private readonly LayerSpec _spec;
    private readonly Router? _router;
    private readonly Expert?[] _experts; // null: on another silo
    private CpuShard[] _localShards = [];
    private RemoteShard[] _remoteShards = [];

    public FeedForward(CpuLayer layer)
    {
        _spec = layer.Spec;
        _router = layer.Router;
        var routed = (_spec.FeedForward as MoeSpec)?.Experts ?? 0;
        _experts = new Expert?[routed + (layer.OwnExpert is null ? 0 : 1)];
        if (layer.OwnExpert is { } own)
        {
            _experts[routed] = own;
        }
    }

    public int ExpertCount => _experts.Length;

    /// <summary>Of the widest expert.</summary>
    public int MaxWidth => _spec.FeedForward switch
    {
        MoeSpec moe => Math.Max(moe.Width, moe.Shared?.Width ?? 0),
        DenseSpec dense => dense.Width,
        _ => 0,
    };

    public int Choices => _router?.Choices ?? 1;

    /// <summary>Says where the experts are. Between two steps.</summary>
    /// <exception cref="ArgumentException">An expert is nowhere.</exception>
    public void Route(IReadOnlyList<ICpuShard> shards)
    {
        if (_spec.FeedForward is not MoeSpec moe)
        {
            return;
        }

        for (var expert = 0; expert < moe.Experts; expert++)
        {
            var owner = shards.FirstOrDefault(shard => expert >= shard.FirstExpert && expert < shard.EndExpert)
                ?? throw new ArgumentException($"No shard has expert {expert} of layer {_spec.Index}.", nameof(shards));
            _experts[expert] = (owner as CpuShard)?.Find(_spec.Index, expert);
        }

        _localShards = [.. shards.OfType<CpuShard>()];
        _remoteShards = [.. shards.OfType<RemoteShard>()];
    }

    /// <summary>Chooses experts for one row. Called by whichever worker normed it.</summary>
    public void Choose(StepContext step, int row)
    {
        var choices = step.Buffers.Choices + ((long)row * Choices);
        var weights = step.Buffers.ChoiceWeights + ((long)row * Choices);
        if (_router is null)
        {
            choices[0] = 0;
            weights[0] = 1;
            return;
        }

        _router.Choose(step.Buffers.Normed + ((long)row * step.Buffers.Widths.Hidden), choices, weights);
    }

    /// <summary>Fills <see cref="StepBuffers.ExpertOutput"/> for every choice of every row; ends with a barrier.</summary>
    public void Run(Worker worker, StepContext step)
    {
        var own = step.Scratch(worker);
        var offsets = own.Groups;
        var entries = offsets + ExpertCount + 1;
        Group(step, offsets, entries);
        if (worker.Index == 0)
        {
            Count(offsets);
            Send(step, offsets, entries);
        }

        var widths = step.Buffers.Widths;
        var groups = new ExpertGroups(_experts, offsets, entries, Choices, step.Claims);
        groups.Activate(worker, own, step.Buffers.Normed, widths.Hidden, step.Buffers.Activated, widths.FeedForward);
        worker.Barrier();
        groups.Project(worker, own, step.Buffers.Activated, widths.FeedForward, step.Buffers.ExpertOutput, widths.Hidden);
        step.Lap(worker, StepPart.Experts);
        if (worker.Index == 0)
        {
            Receive(step);
        }

        worker.Barrier();
    }

    /// <summary>The weighted sum of a row's expert outputs, into <paramref name="target"/>.</summary>
    public void Combine(StepContext step, int row, float* target)
    {
        var hidden = step.Buffers.Widths.Hidden;
        var outputs = step.Buffers.ExpertOutput + ((long)row * Choices * hidden);
        var weights = step.Buffers.ChoiceWeights + ((long)row * Choices);
        for (var i = 0; i < hidden; i += TileKernel.Lanes)
        {
            var sum = Vector512.Load(outputs + i) * weights[0];
            for (var choice = 1; choice < Choices; choice++)
            {
                sum = Vector512.FusedMultiplyAdd(Vector512.Load(outputs + ((long)choice * hidden) + i), Vector512.Create(weights[choice]), sum);
            }

            sum.Store(target + i);
        }
    }

    /// <summary>Sorts the choices (row · Choices + choice) by expert, rows in order. Every worker does it for itself: that is cheaper than a barrier.</summary>
    private void Group(StepContext step, int* offsets, int* entries)
    {
        var choices = step.Buffers.Choices;
        var count = step.Batch.RowCount * Choices;
        new Span<int>(offsets, ExpertCount + 1).Clear();
        for (var i = 0; i < count; i++)
        {
            offsets[choices[i] + 1]++;
        }

        for (var expert = 0; expert < ExpertCount; expert++)
        {
            offsets[expert + 1] += offsets[expert];
        }

        for (var i = 0; i < count; i++)
        {
            entries[offsets[choices[i]]++] = i;
        }

        for (var expert = ExpertCount; expert > 0; expert--)
        {
            offsets[expert] = offsets[expert - 1];
        }

        offsets[0] = 0;
    }

    private void Count(int* offsets)
    {
        foreach (var shard in _localShards)
        {
            for (var expert = shard.FirstExpert; expert < shard.EndExpert && expert < ExpertCount; expert++)
            {
                shard.Count(expert, offsets[expert + 1] - offsets[expert]);
            }
        }
    }

    /// <summary>A link that fails is remembered, and the step goes on over nonsense to its end: the other workers wait at every barrier.</summary>
    private void Send(StepContext step, int* offsets, int* entries)
    {
        foreach (var shard in _remoteShards)
        {
            if (step.Failure is not null)
            {
                return;
            }

            try
            {
                shard.Send(_spec.Index, step.Buffers, offsets, entries, Choices);
            }
            catch (PartLostException lost)
            {
                step.Failure = lost;
            }
        }
    }

    private void Receive(StepContext step)
    {
        foreach (var shard in _remoteShards)
        {
            try
            {
                shard.Receive(step.Buffers);
            }
            catch (PartLostException lost)
            {
                step.Failure ??= lost;
            }
        }

        if (_remoteShards.Length > 0)
        {
            step.LapOfFirst(StepPart.Links);
        }
    }
}
