namespace Loire.Engine.Placement;

/// <summary>One GPU's part of what a group of GPUs shares: a contiguous range, in the order of the group.</summary>
/// <param name="Index">Of the GPU in its group, from 0.</param>
/// <param name="Count">GPUs of the group.</param>
public readonly record struct GpuShare(int Index, int Count)
{
    /// <summary>Of a group of one.</summary>
    public static GpuShare Whole => new(0, 1);

    /// <summary>The largest part where a number does not divide.</summary>
    public static GpuShare LargestOf(int count) => new(count - 1, count);

    /// <summary>The GPU's range [first, end) of that many. Ranges of a group differ by at most one in length.</summary>
    public (int First, int End) Of(int total) => ((int)((long)total * Index / Count), (int)((long)total * (Index + 1) / Count));

    /// <summary>How many of that many the GPU has.</summary>
    public int LengthOf(int total)
    {
        var (first, end) = Of(total);
        return end - first;
    }
}
