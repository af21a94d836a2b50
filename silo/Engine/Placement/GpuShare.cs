namespace Loire.Engine.Placement;

/// <summary>What one of several GPUs has of something that is cut into ranges of about the same length.</summary>
/// <param name="Index">Of the GPU in its group.</param>
/// <param name="Count">GPUs of the group.</param>
public readonly record struct GpuShare(int Index, int Count)
{
    public static GpuShare Whole => new(0, 1);

    public bool IsWhole => Count == 1;

    /// <summary>Its range of <paramref name="total"/>: lengths of a group differ by at most one.</summary>
    public (int First, int End) Of(int total) => ((int)((long)total * Index / Count), (int)((long)total * (Index + 1) / Count));
}
