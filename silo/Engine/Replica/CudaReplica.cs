using Loire.Engine.Backends;
using Loire.Engine.Backends.Cuda;
using Loire.Engine.Models;
using Loire.Engine.Placement;
using Loire.Engine.State;
using Loire.Text;

namespace Loire.Engine.Replica;

/// <summary>Assembles replicas on GPUs.</summary>
public static class CudaReplica
{
    /// <summary>A running replica with all layers and experts on those GPUs.</summary>
    /// <param name="model">Where the weights are.</param>
    /// <param name="options">Sizes.</param>
    /// <param name="cuda">Which GPUs, and how.</param>
    /// <param name="tokenizer">Needed for stop texts.</param>
    /// <param name="progress">0 to 1.</param>
    /// <param name="shards">Of the same plan (<see cref="LoadShard"/>): from here on they say what their GPUs count, and when the replica is disposed, what they have counted.</param>
    /// <exception cref="Loire.Cuda.CudaMissingException">No GPU can be used: the message says what is missing.</exception>
    /// <exception cref="Loire.Cuda.CudaException">Such as: out of memory.</exception>
    public static IReplicaEngine Load(
        ModelFolder model, EngineOptions options, CudaOptions cuda, Tokenizer? tokenizer = null, IProgress<double>? progress = null, IReadOnlyList<ICpuShard>? shards = null)
    {
        var backend = CudaBackend.Load(model, SizesOf(options), cuda, progress);
        Connect(shards ?? [], [.. backend.Parts.Select(part => part.Load.Reading)]);
        return new ReplicaEngine(backend, model.Graph.ContextLength, options, tokenizer);
    }

    /// <summary>Stands for a stage of the plan, which is loaded when the replica is joined.</summary>
    /// <param name="model">Of the plan.</param>
    /// <param name="plan">Of the whole replica.</param>
    /// <param name="stage">From 0.</param>
    /// <param name="cuda">What weights are stored as.</param>
    public static ICpuStage LoadStage(ModelFolder model, GpuPlan plan, int stage, CudaOptions cuda)
    {
        var (bytes, planned) = (new ModelBytes(model.Graph, cuda.Type, cuda.ExpertType), plan.Stages[stage]);
        return new Part(planned, 0, 0, 0, plan.Gpus.Where(gpu => gpu.Stage == planned).Sum(gpu => bytes.Weights(planned, gpu.Share) - bytes.ExpertWeights(planned, gpu.Share)));
    }

    /// <summary>Stands for the experts that one GPU of the plan has of its stage's layers; they are loaded when the replica is joined.</summary>
    /// <param name="model">Of the plan.</param>
    /// <param name="plan">Of the whole replica.</param>
    /// <param name="gpu">From 0, over all stages in their order.</param>
    /// <param name="cuda">What weights are stored as.</param>
    public static ICpuShard LoadShard(ModelFolder model, GpuPlan plan, int gpu, CudaOptions cuda)
    {
        var (_, stage, share) = plan.Gpus.ElementAt(gpu);
        var (first, end) = share.Of(model.Graph.Layers.Max(layer => (layer.FeedForward as MoeSpec)?.Experts ?? 0));
        return new Part(stage, gpu, first, end, new ModelBytes(model.Graph, cuda.Type, cuda.ExpertType).ExpertWeights(stage, share));
    }

    /// <summary>What says, beside the model, how much memory such a replica takes.</summary>
    public static GpuSizes GpuSizesOf(EngineOptions options, CudaOptions cuda) => GpuSizes.Of(SizesOf(options), cuda);

    /// <summary>Has shards of GPUs say what is counted there.</summary>
    /// <param name="shards">Others are left as they are.</param>
    /// <param name="loads">One a GPU, over all stages in their order.</param>
    internal static void Connect(IReadOnlyList<ICpuShard> shards, IReadOnlyList<CountedLoad> loads)
    {
        foreach (var part in shards.OfType<Part>())
        {
            part.Connect(loads[part.Gpu]);
        }
    }

    internal static BackendSizes SizesOf(EngineOptions options) => new(
        options.Slots,
        PagePool.PagesFor(Math.Max(options.KeyValueTokens, StateShape.PageTokens)),
        options.MaxTokensPerStep,
        Math.Min(options.Slots, options.MaxTokensPerStep),
        options.Threads);

    /// <summary>A part that holds nothing by itself, and says what the replica has for it.</summary>
    private sealed class Part(GpuStagePlan stage, int gpu, int firstExpert, int endExpert, long weightBytes) : ICpuStage, ICpuShard
    {
        private CountedLoad? _load;

        /// <summary>Whose experts a shard stands for.</summary>
        public int Gpu => gpu;

        public int FirstLayer => stage.FirstLayer;

        public int EndLayer => stage.EndLayer;

        public int FirstExpert => firstExpert;

        public int EndExpert => endExpert;

        public long WeightBytes => weightBytes;

        public void Connect(CountedLoad load) => Volatile.Write(ref _load, load);

        /// <summary>Zeros until the replica is joined.</summary>
        public void CopyLoad(Span<long> tokensByExpert)
        {
            if (Volatile.Read(ref _load) is { } load)
            {
                load.CopyTo(firstExpert, tokensByExpert);
            }
            else
            {
                tokensByExpert.Clear();
            }
        }

        public void Dispose()
        {
        }
    }
}
