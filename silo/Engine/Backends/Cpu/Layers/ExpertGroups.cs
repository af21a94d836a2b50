using Loire.Engine.Backends.Cpu.Kernels;

namespace Loire.Engine.Backends.Cpu.Layers;

/// <summary>Rows sorted by expert, and the two products that each expert makes of its rows. The same code runs where the layer is and where a shard is.</summary>
/// <remarks>An expert's rows are multiplied together, whatever else is in the step, so a row's bits do not depend on where its expert is.</remarks>
/// <param name="experts">By number; null for those that are elsewhere.</param>
/// <param name="offsets"><c>[experts + 1]</c>: entries of expert e are [offsets[e], offsets[e + 1]).</param>
/// <param name="entries">By group; an entry's input row is <c>entry / divisor</c>.</param>
/// <param name="divisor">Entries of one input row follow each other.</param>
/// <param name="claims">Whether workers claim items, which pays when there are many.</param>
internal readonly unsafe ref struct ExpertGroups(Expert?[] experts, int* offsets, int* entries, int divisor, bool claims)
{
    /// <summary><c>silu(W_gate y) ⊙ W_up y</c> of every entry, in the order of the groups; without a barrier.</summary>
    /// <param name="worker">Of the team that runs this.</param>
    /// <param name="own">The worker's.</param>
    /// <param name="rows"><c>[input rows, hidden]</c></param>
    /// <param name="hidden">Width of a row.</param>
    /// <param name="activated"><c>[entries, stride]</c></param>
    /// <param name="stride">At least the widest expert's width.</param>
    public void Activate(Worker worker, WorkerScratch own, float* rows, int hidden, float* activated, int stride)
    {
        var cursor = new Cursor(experts, offsets, ofGateUp: true);
        foreach (var item in new WorkItems(worker, cursor.ItemCount, claims))
        {
            var (expert, panel) = cursor.Seek(item);
            var local = experts[expert]!; // only experts that are here have items
            var count = offsets[expert + 1] - offsets[expert];
            for (var i = 0; i < count; i++)
            {
                own.Rows[i] = rows + ((long)(entries[offsets[expert] + i] / divisor) * hidden);
            }

            Tiles.MultiplyPanel(own.Rows, count, local.GateUp, panel, own.Tile);
            var target = new GatedActivation(activated + ((long)offsets[expert] * stride), local.Width, stride);
            for (var i = 0; i < count; i++)
            {
                target.Store(own.Tile + ((nint)i * TileKernel.MaxColumns), i, panel * TileKernel.MaxColumns);
            }
        }
    }

    /// <summary><c>W_down</c> of what <see cref="Activate"/> has made, after a barrier; without one.</summary>
    /// <param name="worker">Of the team that runs this.</param>
    /// <param name="own">The worker's.</param>
    /// <param name="activated">As filled before.</param>
    /// <param name="stride">As before.</param>
    /// <param name="outputs"><c>[entries, hidden]</c>, by entry.</param>
    /// <param name="hidden">Width of a row.</param>
    public void Project(Worker worker, WorkerScratch own, float* activated, int stride, float* outputs, int hidden)
    {
        var target = new Copy(outputs, hidden, hidden);
        var cursor = new Cursor(experts, offsets, ofGateUp: false);
        foreach (var item in new WorkItems(worker, cursor.ItemCount, claims))
        {
            var (expert, panel) = cursor.Seek(item);
            var count = offsets[expert + 1] - offsets[expert];
            for (var i = 0; i < count; i++)
            {
                own.Rows[i] = activated + ((long)(offsets[expert] + i) * stride);
            }

            Tiles.MultiplyPanel(own.Rows, count, experts[expert]!.Down, panel, own.Tile);
            for (var i = 0; i < count; i++)
            {
                target.Store(own.Tile + ((nint)i * TileKernel.MaxColumns), entries[offsets[expert] + i], panel * TileKernel.MaxColumns);
            }
        }
    }

    /// <summary>Walks the items (expert that is here and has rows, panel) in ascending order.</summary>
    private ref struct Cursor(Expert?[] experts, int* offsets, bool ofGateUp)
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
            if (offsets[expert + 1] == offsets[expert] || experts[expert] is not { } local)
            {
                return 0;
            }

            return ofGateUp ? local.GateUp.PanelCount : local.Down.PanelCount;
        }
    }
}
