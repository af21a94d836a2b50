namespace Orleans.Runtime;

/// <summary>How the silo of a new activation is chosen; its director does the choosing.</summary>
public abstract class PlacementStrategy
{
    /// <summary>Whether activations are registered in the grain directory: one a cluster. False for stateless workers.</summary>
    public virtual bool IsUsingGrainDirectory => true;
}

/// <summary>Any compatible silo, at random.</summary>
public sealed class RandomPlacement : PlacementStrategy
{
    internal static RandomPlacement Singleton { get; } = new();
}

/// <summary>The silo that the grain id's hash selects.</summary>
public sealed class HashBasedPlacement : PlacementStrategy
{
    internal static HashBasedPlacement Singleton { get; } = new();
}

/// <summary>The caller's silo if it is compatible, else any.</summary>
public sealed class PreferLocalPlacement : PlacementStrategy
{
    internal static PreferLocalPlacement Singleton { get; } = new();
}

/// <summary>Up to <see cref="MaxLocal"/> activations on the silo that receives the call.</summary>
internal sealed class StatelessWorkerPlacement(int maxLocal) : PlacementStrategy
{
    public override bool IsUsingGrainDirectory => false;

    public int MaxLocal { get; } = maxLocal > 0 ? maxLocal : Environment.ProcessorCount;
}
