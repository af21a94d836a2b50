using Loire.Engine.Backends;
using Loire.Engine.Backends.Cpu;
using Loire.Engine.Backends.Cpu.Links;
using Loire.Engine.Links;
using Loire.Engine.Models;
using Loire.Engine.State;
using Loire.Text;

namespace Loire.Engine.Replica;

/// <summary>Assembles replicas on this process's CPU.</summary>
/// <remarks>Layer stages and expert shards are loaded apart (<see cref="LoadStage"/>, <see cref="LoadShard"/>) by whoever owns them, then joined.</remarks>
public static class CpuReplica
{
    /// <param name="model">Where the weights are.</param>
    /// <param name="firstLayer">First layer of the stage.</param>
    /// <param name="endLayer">One past its last layer.</param>
    /// <param name="progress">0 to 1.</param>
    public static ICpuStage LoadStage(ModelFolder model, int firstLayer, int endLayer, IProgress<double>? progress = null) =>
        CpuStage.Load(model, firstLayer, endLayer, progress);

    /// <param name="model">Where the weights are.</param>
    /// <param name="firstExpert">First expert of the shard, in every layer.</param>
    /// <param name="endExpert">One past its last expert.</param>
    /// <param name="progress">0 to 1.</param>
    public static ICpuShard LoadShard(ModelFolder model, int firstExpert, int endExpert, IProgress<double>? progress = null) =>
        CpuShard.Load(model, firstExpert, endExpert, progress);

    /// <summary>A stage on another silo. It is linked when a replica is joined from it.</summary>
    /// <param name="endpoint">What <see cref="TensorListener.Serve(string, ICpuStage)"/> has answered there.</param>
    /// <param name="firstLayer">First layer of the stage.</param>
    /// <param name="endLayer">One past its last layer.</param>
    /// <param name="links">Of the cluster.</param>
    public static ICpuStage LinkStage(PartEndpoint endpoint, int firstLayer, int endLayer, LinkOptions links) =>
        new RemoteStage(endpoint, firstLayer, endLayer, links);

    /// <summary>An expert shard on another silo.</summary>
    /// <param name="endpoint">What <see cref="TensorListener.Serve(string, ICpuShard)"/> has answered there.</param>
    /// <param name="links">Of the cluster.</param>
    /// <exception cref="PartLostException">It cannot be reached.</exception>
    public static ICpuShard LinkShard(PartEndpoint endpoint, LinkOptions links) => new RemoteShard(endpoint, links);

    /// <summary>A running replica. It uses the stages and shards until it is disposed, and does not dispose them.</summary>
    /// <param name="model">What stages and shards were loaded from.</param>
    /// <param name="stages">In layer order, covering every layer once.</param>
    /// <param name="shards">Covering every expert once.</param>
    /// <param name="options">Sizes.</param>
    /// <param name="tokenizer">Needed for stop texts.</param>
    public static IReplicaEngine Join(ModelFolder model, IReadOnlyList<ICpuStage> stages, IReadOnlyList<ICpuShard> shards, EngineOptions options, Tokenizer? tokenizer = null)
    {
        var backend = Backend(model, stages, shards, options);
        return new ReplicaEngine(backend, model.Graph.ContextLength, options, tokenizer);
    }

    /// <summary>The loop without its thread: a caller turns it step by step.</summary>
    internal static StepLoop JoinLoop(ModelFolder model, IReadOnlyList<ICpuStage> stages, IReadOnlyList<ICpuShard> shards, EngineOptions options, out IDisposable backend)
    {
        var joined = Backend(model, stages, shards, options);
        backend = joined;
        return new StepLoop(joined, options, tokenBytes: null);
    }

    private static CpuBackend Backend(ModelFolder model, IReadOnlyList<ICpuStage> stages, IReadOnlyList<ICpuShard> shards, EngineOptions options) =>
        new(
            model.Graph,
            stages,
            shards,
            new BackendSizes(
                options.Slots,
                PagePool.PagesFor(Math.Max(options.KeyValueTokens, StateShape.PageTokens)),
                options.MaxTokensPerStep,
                Math.Min(options.Slots, options.MaxTokensPerStep),
                options.Threads)
            {
                CommitsStates = options.CommitsStates,
            });
}
