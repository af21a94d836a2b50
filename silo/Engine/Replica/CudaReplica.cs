using Loire.Engine.Backends;
using Loire.Engine.Backends.Cuda;
using Loire.Engine.Models;
using Loire.Engine.State;
using Loire.Text;

namespace Loire.Engine.Replica;

/// <summary>Assembles replicas on one GPU.</summary>
public static class CudaReplica
{
    /// <summary>A running replica with all layers and experts on that GPU.</summary>
    /// <param name="model">Where the weights are.</param>
    /// <param name="options">Sizes.</param>
    /// <param name="cuda">Which GPU, and how.</param>
    /// <param name="tokenizer">Needed for stop texts.</param>
    /// <param name="progress">0 to 1.</param>
    /// <exception cref="Loire.Cuda.CudaMissingException">No GPU can be used: the message says what is missing.</exception>
    /// <exception cref="Loire.Cuda.CudaException">Such as: out of memory.</exception>
    public static IReplicaEngine Load(ModelFolder model, EngineOptions options, CudaOptions cuda, Tokenizer? tokenizer = null, IProgress<double>? progress = null) =>
        new ReplicaEngine(CudaBackend.Load(model, SizesOf(options), cuda, progress), model.Graph.ContextLength, options, tokenizer);

    /// <summary>Stands for all layers: on one GPU they are loaded when the replica is joined.</summary>
    /// <exception cref="NotSupportedException">They are to be cut.</exception>
    public static ICpuStage LoadStage(ModelFolder model, int firstLayer, int endLayer) =>
        firstLayer == 0 && endLayer == model.Graph.Layers.Length
            ? new WholeModel(endLayer, 0)
            : throw new NotSupportedException($"Layers [{firstLayer}, {endLayer}) of {model.Graph.Layers.Length} on a GPU: a replica on a GPU has one stage. Leave the number of stages out.");

    /// <summary>Stands for all experts.</summary>
    /// <exception cref="NotSupportedException">They are to be cut.</exception>
    public static ICpuShard LoadShard(ModelFolder model, int firstExpert, int endExpert)
    {
        var experts = model.Graph.Layers.Select(layer => layer.FeedForward).OfType<MoeSpec>().Select(moe => moe.Experts).DefaultIfEmpty().Max();
        return firstExpert == 0 && endExpert == experts
            ? new WholeModel(0, endExpert)
            : throw new NotSupportedException($"Experts [{firstExpert}, {endExpert}) of {experts} on a GPU: a replica on a GPU has one shard. Leave the number of shards out.");
    }

    internal static BackendSizes SizesOf(EngineOptions options) => new(
        options.Slots,
        PagePool.PagesFor(Math.Max(options.KeyValueTokens, StateShape.PageTokens)),
        options.MaxTokensPerStep,
        Math.Min(options.Slots, options.MaxTokensPerStep),
        options.Threads);

    /// <summary>A part that holds nothing by itself.</summary>
    private sealed class WholeModel(int layers, int experts) : ICpuStage, ICpuShard
    {
        public int FirstLayer => 0;

        public int EndLayer => layers;

        public int FirstExpert => 0;

        public int EndExpert => experts;

        public long WeightBytes => 0;

        public void CopyLoad(Span<long> tokensByExpert) => tokensByExpert.Clear();

        public void Dispose()
        {
        }
    }
}
