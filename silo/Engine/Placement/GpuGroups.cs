using System.Collections.Immutable;

namespace Loire.Engine.Placement;

/// <summary>The GPUs of a replica as a person names them: one group for each layer stage, in layer order.</summary>
/// <remarks>The GPUs of a group share the layers of their stage: each has a range of the heads, of the experts and of the vocabulary.</remarks>
/// <param name="Stages">Ordinals as the driver counts, from 0. No group is empty, and no GPU is named twice.</param>
public sealed record GpuGroups(ImmutableArray<ImmutableArray<int>> Stages)
{
    public static GpuGroups Of(int device) => new([[device]]);

    /// <summary>As a person writes it: <c>0+1,2+3</c> is two stages of two GPUs each.</summary>
    public override string ToString() => string.Join(',', Stages.Select(group => string.Join('+', group)));
}
