using System.Runtime.Intrinsics;
using Loire.Engine.Backends.Cpu.Kernels;

namespace Loire.Engine.Backends.Cpu.Layers;

/// <summary>The feed-forward of one layer: every row chooses experts, the rows of an expert are computed together.</summary>
/// <remarks>
/// <para>Experts are those of all shards, by number; a shared expert is the last one and every row's last choice; a dense layer is one expert.</para>
/// <para>A row's outputs are combined in the order of its choices, whatever shard or worker computed them.</para>
/// </remarks>
internal sealed unsafe class FeedForward
{
    private readonly Router? _router;
    private readonly Expert[] _experts;
    private readonly long[] _load;

    public FeedForward(Router? router, Expert[] experts)
    {
        _router = router;
        _experts = experts;
        _load = new long[experts.Length];
    }

    public int ExpertCount => _experts.Length;

    /// <summary>Of the widest expert.</summary>
    public int MaxWidth => _experts.Max(expert => expert.Width);

    public int Choices => _router?.Choices ?? 1;

    /// <summary>Rows that each expert has computed. Written by the stepping thread.</summary>
    public ReadOnlySpan<long> Load => _load;

    public void ClearLoad() => Array.Clear(_load);

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
            for (var expert = 0; expert < ExpertCount; expert++)
            {
                _load[expert] += offsets[expert + 1] - offsets[expert];
            }
        }

        Activate(worker, step, offsets, entries);
        worker.Barrier();
        Project(worker, step, offsets, entries);
        worker.Barrier();
        step.Lap(worker, StepPart.Experts);
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

    private void Activate(Worker worker, StepContext step, int* offsets, int* entries)
    {
        var hidden = step.Buffers.Widths.Hidden;
        var stride = step.Buffers.Widths.FeedForward;
        var cursor = new GroupCursor(_experts, offsets, ofGateUp: true);
        foreach (var item in step.Items(worker, cursor.ItemCount))
        {
            var (expert, panel) = cursor.Seek(item);
            var own = step.Scratch(worker);
            var count = offsets[expert + 1] - offsets[expert];
            for (var i = 0; i < count; i++)
            {
                own.Rows[i] = step.Buffers.Normed + ((long)(entries[offsets[expert] + i] / Choices) * hidden);
            }

            Tiles.MultiplyPanel(own.Rows, count, _experts[expert].GateUp, panel, own.Tile);
            var activated = new GatedActivation(step.Buffers.Activated + ((long)offsets[expert] * stride), _experts[expert].Width, stride);
            for (var i = 0; i < count; i++)
            {
                activated.Store(own.Tile + ((nint)i * TileKernel.MaxColumns), i, panel * TileKernel.MaxColumns);
            }
        }
    }

    private void Project(Worker worker, StepContext step, int* offsets, int* entries)
    {
        var hidden = step.Buffers.Widths.Hidden;
        var stride = step.Buffers.Widths.FeedForward;
        var output = new Copy(step.Buffers.ExpertOutput, hidden, hidden);
        var cursor = new GroupCursor(_experts, offsets, ofGateUp: false);
        foreach (var item in step.Items(worker, cursor.ItemCount))
        {
            var (expert, panel) = cursor.Seek(item);
            var own = step.Scratch(worker);
            var count = offsets[expert + 1] - offsets[expert];
            for (var i = 0; i < count; i++)
            {
                own.Rows[i] = step.Buffers.Activated + ((long)(offsets[expert] + i) * stride);
            }

            Tiles.MultiplyPanel(own.Rows, count, _experts[expert].Down, panel, own.Tile);
            for (var i = 0; i < count; i++)
            {
                output.Store(own.Tile + ((nint)i * TileKernel.MaxColumns), entries[offsets[expert] + i], panel * TileKernel.MaxColumns);
            }
        }
    }

    /// <summary>Walks the items (expert with rows, panel) in ascending order.</summary>
    private ref struct GroupCursor(Expert[] experts, int* offsets, bool ofGateUp)
    {
        private int _expert;
        private int _before;

        public readonly int ItemCount
        {
            get
            {
                var items = 0;
                for (var expert = 0; expert < experts.Length; expert++)
                {
                    items += PanelsOf(expert);
                }

                return items;
            }
        }

        /// <param name="item">Not below that of the last call.</param>
        public (int Expert, int Panel) Seek(int item)
        {
            while (item - _before >= PanelsOf(_expert))
            {
                _before += PanelsOf(_expert++);
            }

            return (_expert, item - _before);
        }

        private readonly int PanelsOf(int expert)
        {
            if (offsets[expert + 1] == offsets[expert])
            {
                return 0;
            }

            return ofGateUp ? experts[expert].GateUp.PanelCount : experts[expert].Down.PanelCount;
        }
    }
}
