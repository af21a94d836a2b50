using System.Collections.Immutable;
using Loire.Engine.Models;

namespace Loire.Engine.Placement;

/// <summary>Which GPU computes what of a replica.</summary>
/// <param name="Stages">In layer order, covering every layer once.</param>
public sealed record GpuPlan(ImmutableArray<GpuStagePlan> Stages)
{
    /// <summary>Cuts the layers into stages of about as many bytes each.</summary>
    /// <exception cref="NotSupportedException">The model cannot be cut so: the message says which figure does not divide.</exception>
    public static GpuPlan Of(ModelGraph graph, GpuGroups groups)
    {
        var (layers, stages) = (graph.Layers.Length, groups.Stages.Length);
        return new([.. groups.Stages.Select((devices, i) => new GpuStagePlan(layers * i / stages, layers * (i + 1) / stages, devices))]);
    }
}

/// <summary>Layers [first, end) on a group of GPUs.</summary>
/// <param name="FirstLayer">First layer.</param>
/// <param name="EndLayer">One past its last layer.</param>
/// <param name="Devices">Ordinals of the GPUs that share them.</param>
public sealed record GpuStagePlan(int FirstLayer, int EndLayer, ImmutableArray<int> Devices);
