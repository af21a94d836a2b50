using System.Collections.Immutable;
using Loire.Engine.Models;
using Loire.Engine.Replica;
using Loire.Kernels;

namespace Loire.Engine.Placement;

/// <summary>Which GPU computes what of a replica.</summary>
/// <param name="Stages">In layer order, covering every layer once.</param>
public sealed record GpuPlan(ImmutableArray<GpuStagePlan> Stages)
{
    /// <summary>As a person would name them.</summary>
    public GpuGroups Groups => new([.. Stages.Select(stage => stage.Devices)]);

    /// <summary>Every GPU, in order, with its stage and its share of that.</summary>
    public IEnumerable<(int Device, GpuStagePlan Stage, GpuShare Share)> Gpus =>
        Stages.SelectMany(stage => stage.Devices.Select((device, i) => (device, stage, new GpuShare(i, stage.Devices.Length))));

    /// <summary>As the options say: their plan, else that of their groups, else what <see cref="Choose"/> finds.</summary>
    /// <param name="graph">Of the model.</param>
    /// <param name="sizes">Of the replica.</param>
    /// <param name="options">What was asked for.</param>
    /// <param name="read">What there is, where it matters; null: <see cref="GpuInventory.Read"/>.</param>
    /// <exception cref="NotSupportedException">The model cannot be cut so, or fits nowhere.</exception>
    public static GpuPlan For(ModelGraph graph, GpuSizes sizes, CudaOptions options, Func<GpuInventory>? read = null) =>
        options.Plan ?? (options.Groups is { } groups ? Of(graph, groups, options.ExpertType) : Choose(graph, sizes, read is null ? GpuInventory.Read() : read()));

    /// <summary>Cuts the layers into stages of about as many bytes of weights on each GPU.</summary>
    /// <exception cref="NotSupportedException">The model cannot be cut so: the message says which figure does not divide, and which group sizes would do.</exception>
    public static GpuPlan Of(ModelGraph graph, GpuGroups groups, WeightType experts = WeightType.Element)
    {
        if (groups.Stages.Length > graph.Layers.Length)
        {
            throw new NotSupportedException($"GPUs {groups} are {groups.Stages.Length} stages, and the model has {graph.Layers.Length} layers. Name at most that many groups.");
        }

        foreach (var (stage, group) in groups.Stages.Index())
        {
            if (GroupRules.Obstacle(graph, group.Length, isLast: stage == groups.Stages.Length - 1) is { } obstacle)
            {
                throw new NotSupportedException($"GPUs {groups}: {obstacle}");
            }
        }

        var sizes = new GpuSizes(ElementType.BFloat16, 0, 0, 0, 0, experts); // weights alone count
        var bytes = BytesOf(graph, sizes, groups);
        return Cut(graph, groups, (stage, first, end) => bytes[stage].Of(first, end).Weights).Plan;
    }

    /// <summary>Takes as few GPUs as the model fits on with a reserve, and, short of twice as many, such that there are fewer stages.</summary>
    /// <remarks>
    /// A group has GPUs of one kind that reach each other's memory, of a number that can share the layers. Of plans with as many stages the one of
    /// the fewest GPUs is taken; of those, one with groups of one size, if there is any; and of those, one with low ordinals.
    /// </remarks>
    /// <exception cref="NotSupportedException">It fits nowhere: the message says what it needs, what there is, and what to change.</exception>
    public static GpuPlan Choose(ModelGraph graph, GpuSizes sizes, GpuInventory inventory)
    {
        var groups = new PlanSearch(graph, sizes, inventory).Find() ?? throw new NotSupportedException(PlanText.DoesNotFit(graph, sizes, inventory));
        return CutToFit(graph, sizes, inventory, groups).Plan;
    }

    /// <summary>Cuts so that the fullest GPU is as empty as can be.</summary>
    /// <returns>Its share of what it may be filled with, and the plan.</returns>
    internal static (double Fill, GpuPlan Plan) CutToFit(ModelGraph graph, GpuSizes sizes, GpuInventory inventory, GpuGroups groups)
    {
        var bytes = BytesOf(graph, sizes, groups);
        var room = groups.Stages.Select(group => group.Min(device => inventory.Find(device)?.UsableBytes ?? 0)).ToArray();
        return Cut(graph, groups, (stage, first, end) => (double)bytes[stage].Of(first, end).Total / room[stage]);
    }

    /// <summary>What each stage takes on the fullest GPU of its group.</summary>
    public ImmutableArray<GpuTake> Takes(ModelGraph graph, GpuSizes sizes)
    {
        var bytes = BytesOf(graph, sizes, Groups);
        return [.. Stages.Select((stage, i) => bytes[i].Of(stage.FirstLayer, stage.EndLayer))];
    }

    /// <summary>For people, a line a stage: its layers, its GPUs, what it takes on each of them and what that leaves.</summary>
    /// <param name="graph">Of the model.</param>
    /// <param name="sizes">Of the replica.</param>
    /// <param name="inventory">What was free before it is loaded; null: unknown.</param>
    public string Describe(ModelGraph graph, GpuSizes sizes, GpuInventory? inventory = null) =>
        string.Join(Environment.NewLine, PlanText.Lines(this, graph, sizes, inventory));

    public bool Equals(GpuPlan? other) => other is not null && Stages.SequenceEqual(other.Stages);

    public override int GetHashCode() => Stages.Aggregate(0, HashCode.Combine);

    private static StageBytes[] BytesOf(ModelGraph graph, GpuSizes sizes, GpuGroups groups)
    {
        var bySize = groups.Stages.Select(group => group.Length).Distinct().ToDictionary(count => count, count => new StageBytes(graph, sizes, GpuShare.LargestOf(count), groups.Stages.Length));
        return [.. groups.Stages.Select(group => bySize[group.Length])];
    }

    private static (double Most, GpuPlan Plan) Cut(ModelGraph graph, GpuGroups groups, Func<int, int, int, double> cost)
    {
        var (most, ends) = StageCut.Of(graph.Layers.Length, groups.Stages.Length, cost);
        return (most, new GpuPlan([.. groups.Stages.Select((devices, i) => new GpuStagePlan(i == 0 ? 0 : ends[i - 1], ends[i], devices))]));
    }
}

/// <summary>Layers [first, end) on a group of GPUs.</summary>
/// <param name="FirstLayer">First layer.</param>
/// <param name="EndLayer">One past its last layer.</param>
/// <param name="Devices">Ordinals of the GPUs that share them.</param>
public sealed record GpuStagePlan(int FirstLayer, int EndLayer, ImmutableArray<int> Devices)
{
    /// <summary>As a person would name it: <c>0+1</c>.</summary>
    public string Group => GpuGroups.NameOf(Devices);

    public bool Equals(GpuStagePlan? other) =>
        other is not null && FirstLayer == other.FirstLayer && EndLayer == other.EndLayer && Devices.SequenceEqual(other.Devices);

    public override int GetHashCode() => Devices.Aggregate(HashCode.Combine(FirstLayer, EndLayer), HashCode.Combine);
}
