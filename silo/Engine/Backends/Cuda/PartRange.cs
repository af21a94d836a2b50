using Loire.Engine.Placement;

namespace Loire.Engine.Backends.Cuda;

/// <summary>What of a model one GPU has: some layers, and of those its share of heads, experts and vocabulary.</summary>
/// <param name="FirstLayer">First layer.</param>
/// <param name="EndLayer">One past its last layer.</param>
/// <param name="LayerCount">Of the model.</param>
/// <param name="Share">Of each layer.</param>
internal readonly record struct PartRange(int FirstLayer, int EndLayer, int LayerCount, GpuShare Share)
{
    /// <summary>Tokens come in here.</summary>
    public bool IsFirst => FirstLayer == 0;

    /// <summary>Logits come out here.</summary>
    public bool IsLast => EndLayer == LayerCount;
}
