using System.Collections.Immutable;
using System.Numerics;
using Loire.Engine.Models;

namespace Loire.Engine.Placement;

/// <summary>Finds the GPUs to put a model on, over all ways to put them into groups and the groups into an order.</summary>
/// <remarks>
/// <para>As few GPUs as it fits on; but a GPU that shares layers with others speeds every token up, and one more stage does not, so a plan of fewer
/// stages is taken as long as it has fewer than twice as many.</para>
/// <para>A set of GPUs is a bit mask. For each mask and number of stages it is known how many layers fit at most when exactly these GPUs have the first
/// stages; one more group extends that. More layers before are never worse for those after, so the most is all that need be known.</para>
/// </remarks>
internal sealed class PlanSearch
{
    /// <summary>All ways to put so many into groups are seconds of work, once a start; of more, those with the most room count.</summary>
    private const int MostGpus = 16;

    private const int AnySize = 0;

    private readonly GpuRoom[] _gpus;
    private readonly GpuInventory _inventory;
    private readonly StageBytes?[] _bytes; // by group size; null: so many cannot share
    private readonly bool[] _mayBeLast; // by group size
    private readonly bool[] _isGroup; // by mask
    private readonly long[] _room; // of the fullest GPU of a mask
    private readonly long[] _rooms; // all that there are, ascending
    private readonly int[,,] _ends; // by group size, room and first layer: the end, plus one; 0: not known yet
    private readonly int _layers;

    public PlanSearch(ModelGraph graph, GpuSizes sizes, GpuInventory inventory)
    {
        _inventory = inventory;
        _layers = graph.Layers.Length;
        _gpus = [.. inventory.Gpus.OrderByDescending(gpu => gpu.UsableBytes).ThenBy(gpu => gpu.Ordinal).Take(MostGpus).OrderBy(gpu => gpu.Ordinal)];
        _bytes = new StageBytes?[_gpus.Length + 1];
        _mayBeLast = new bool[_gpus.Length + 1];
        for (var count = 1; count <= _gpus.Length; count++)
        {
            _bytes[count] = GroupRules.CanShare(graph, count, isLast: false) ? new StageBytes(graph, sizes, GpuShare.LargestOf(count), mostStages: Math.Min(_gpus.Length - count + 1, _layers)) : null;
            _mayBeLast[count] = GroupRules.CanShare(graph, count, isLast: true);
        }

        _rooms = [.. _gpus.Select(gpu => gpu.UsableBytes).Distinct().Order()];
        _ends = new int[_gpus.Length + 1, _rooms.Length, _layers];
        _isGroup = new bool[1 << _gpus.Length];
        _room = new long[1 << _gpus.Length];
        for (var mask = 1; mask < _isGroup.Length; mask++)
        {
            var members = Members(mask);
            _room[mask] = members.Min(gpu => gpu.UsableBytes);
            _isGroup[mask] = _bytes[members.Length] is not null && AreOne(members);
        }
    }

    /// <summary>Null: there is no way.</summary>
    public GpuGroups? Find()
    {
        if (Array.Find(_gpus, gpu => _bytes[1]!.EndOf(0, gpu.UsableBytes) == _layers) is { } one)
        {
            return GpuGroups.Of(one.Ordinal);
        }

        var any = Fill(AnySize);
        var stages = Enumerable.Range(1, Math.Min(_gpus.Length, _layers));
        var fewest = Enumerable.Range(1, _gpus.Length).FirstOrDefault(count => stages.Any(number => any.Find(count, number) is not null));
        var found = from number in stages
                    from count in Enumerable.Range(fewest, Math.Min(fewest, _gpus.Length - fewest + 1))
                    where any.Find(count, number) is not null
                    select ((int Number, int Count)?)(number, count);
        return fewest > 0 && found.FirstOrDefault() is { } best ? GroupsOf(Even(best.Number, best.Count) ?? any.Find(best.Count, best.Number)!) : null; // it was found
    }

    /// <summary>Groups of one size, where there are any.</summary>
    private Stack<int>? Even(int stages, int count) =>
        stages > 1 && count % stages == 0 && _bytes[count / stages] is not null ? Fill(count / stages).Find(count, stages) : null;

    private bool AreOne(GpuRoom[] members) => members.All(one =>
        one.Name == members[0].Name && members.All(other => one.Ordinal >= other.Ordinal || _inventory.AreLinked(one.Ordinal, other.Ordinal)));

    private GpuRoom[] Members(int mask) => [.. _gpus.Where((_, i) => (mask >> i & 1) != 0)];

    private GpuGroups GroupsOf(IEnumerable<int> masks) => new([.. masks.Select(mask => Members(mask).Select(gpu => gpu.Ordinal).ToImmutableArray())]);

    private Table Fill(int groupSize)
    {
        var table = new Table(_gpus.Length);
        for (var mask = 1; mask < _isGroup.Length; mask++)
        {
            for (var group = mask; group > 0; group = (group - 1) & mask) // those with the highest ordinals first
            {
                if (_isGroup[group] && (groupSize == AnySize || BitOperations.PopCount((uint)group) == groupSize))
                {
                    Extend(table, mask, group);
                }
            }
        }

        return table;
    }

    private void Extend(Table table, int mask, int group)
    {
        var before = mask & ~group;
        var size = BitOperations.PopCount((uint)group);
        for (var stages = 1; stages <= BitOperations.PopCount((uint)before) + 1; stages++)
        {
            if (table.Layers(before, stages - 1) is not { } first || first >= _layers)
            {
                continue;
            }

            var end = EndOf(size, first, _room[group]);
            if (end == _layers)
            {
                if (_mayBeLast[size])
                {
                    table.End(mask, stages, group);
                }

                end--; // some layers are left for a stage after it
            }

            if (end > first)
            {
                table.Offer(mask, stages, group, end);
            }
        }
    }

    private int EndOf(int size, int first, long room)
    {
        ref var end = ref _ends[size, Array.BinarySearch(_rooms, room), first];
        return end > 0 ? end - 1 : (end = _bytes[size]!.EndOf(first, room) + 1) - 1; // groups have a size that can share
    }

    /// <summary>By mask and number of stages: most layers that fit, and the last group.</summary>
    private sealed class Table(int gpus)
    {
        private readonly int[] _layers = new int[(1 << gpus) * (gpus + 1)];
        private readonly int[] _group = new int[(1 << gpus) * (gpus + 1)];
        private readonly int[] _last = new int[(1 << gpus) * (gpus + 1)];

        /// <summary>Null: these GPUs have no so many stages.</summary>
        public int? Layers(int mask, int stages) => (mask, stages) is (0, 0) ? 0 : _layers[At(mask, stages)] is > 0 and var most ? most : null;

        public void Offer(int mask, int stages, int group, int layers)
        {
            if (layers > _layers[At(mask, stages)])
            {
                (_layers[At(mask, stages)], _group[At(mask, stages)]) = (layers, group);
            }
        }

        /// <summary>With this group all layers fit.</summary>
        public void End(int mask, int stages, int group)
        {
            if (_last[At(mask, stages)] == 0)
            {
                _last[At(mask, stages)] = group;
            }
        }

        /// <summary>Groups of so many GPUs in so many stages that all layers fit on; null: there are none.</summary>
        public Stack<int>? Find(int count, int stages)
        {
            for (var mask = 1; mask < 1 << gpus; mask++)
            {
                if (BitOperations.PopCount((uint)mask) == count && _last[At(mask, stages)] != 0)
                {
                    return Trace(mask, stages);
                }
            }

            return null;
        }

        private Stack<int> Trace(int mask, int stages)
        {
            var groups = new Stack<int>();
            groups.Push(_last[At(mask, stages)]);
            while (--stages > 0)
            {
                mask &= ~groups.Peek();
                groups.Push(_group[At(mask, stages)]);
            }

            return groups; // which is enumerated from the first stage on
        }

        private int At(int mask, int stages) => (mask * (gpus + 1)) + stages;
    }
}
