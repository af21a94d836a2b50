using Loire.Engine.Models;

namespace Loire.Engine.Replica;

/// <summary>Assembles replicas on this process's CPU.</summary>
/// <remarks>Layer stages and expert shards are loaded apart (<see cref="LoadStage"/>, <see cref="LoadShard"/>) by whoever owns them, then joined.</remarks>
public static class CpuReplica
{
    public static ICpuStage LoadStage(ModelFolder model, int firstLayer, int endLayer, IProgress<double>? progress = null) => throw new InvalidOperationException("engine is being assembled");

    public static ICpuShard LoadShard(ModelFolder model, int firstExpert, int endExpert, IProgress<double>? progress = null) => throw new InvalidOperationException("engine is being assembled");

    /// <param name="model">What stages and shards were loaded from.</param>
    /// <param name="stages">In layer order, covering every layer once.</param>
    /// <param name="shards">Covering every expert once.</param>
    /// <param name="options">Sizes.</param>
    public static IReplicaEngine Join(ModelFolder model, IReadOnlyList<ICpuStage> stages, IReadOnlyList<ICpuShard> shards, EngineOptions options) => throw new InvalidOperationException("engine is being assembled");
}

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
