namespace Loire.Engine.Replica;

/// <summary>Layers [first, end) with their weights, in memory.</summary>
public interface ICpuStage : IDisposable
{
    int FirstLayer { get; }

    int EndLayer { get; }

    long WeightBytes { get; }
}

/// <summary>Experts [first, end) of every layer, in memory.</summary>
public interface ICpuShard : IDisposable
{
    int FirstExpert { get; }

    int EndExpert { get; }

    long WeightBytes { get; }

    /// <summary>Tokens routed to each expert of the shard so far, all layers together.</summary>
    void CopyLoad(Span<long> tokensByExpert);
}
