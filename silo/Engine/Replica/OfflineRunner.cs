using Loire.Engine.Backends;
using Loire.Engine.Backends.Cpu;
using Loire.Engine.Backends.Cuda;
using Loire.Engine.Models;
using Loire.Engine.Placement;
using Loire.Engine.State;

namespace Loire.Engine.Replica;

/// <summary>Runs prompts outside the step loop and keeps every position's logits: verification, <c>loire logits</c> and measurements.</summary>
/// <remarks>One sequence at a time, on the calling thread and its helpers.</remarks>
public sealed class OfflineRunner : IDisposable
{
    private const int MaxRows = 512;
    private const long MaxLogits = 1 << 22; // 16 MiB of fp32
    private const int CudaTokens = 16_384;

    private readonly IBackend _backend;
    private readonly IReadOnlyList<IDisposable> _parts;
    private readonly StepBatch _batch;
    private readonly List<int> _pages = [];

    /// <param name="graph">Of the model.</param>
    /// <param name="backend">With one slot; disposed with this.</param>
    /// <param name="parts">Disposed after it.</param>
    /// <param name="logitsRows">Of a step.</param>
    /// <param name="maxTokens">Longest sequence to have room for.</param>
    private OfflineRunner(ModelGraph graph, IBackend backend, IReadOnlyList<IDisposable> parts, int logitsRows, int maxTokens)
    {
        Graph = graph;
        _backend = backend;
        _parts = parts;
        MaxTokens = Math.Min(maxTokens, graph.ContextLength);
        _batch = new StepBatch(MaxRows, 1, logitsRows);
        LogitsRows = logitsRows;
    }

    public ModelGraph Graph { get; }

    /// <summary>Longest sequence.</summary>
    public int MaxTokens { get; }

    /// <summary>Most tokens of one piece when all logits are kept.</summary>
    public int LogitsRows { get; }

    /// <summary>Tokens that the state covers.</summary>
    public int Position { get; private set; }

    /// <param name="model">Folder.</param>
    /// <param name="stages">Into how many stages to cut the layers.</param>
    /// <param name="shards">Into how many shards to cut the experts.</param>
    /// <param name="threads">0: one a core.</param>
    /// <param name="maxTokens">Longest sequence to have room for.</param>
    /// <param name="progress">0 to 1.</param>
    public static OfflineRunner Load(ModelFolder model, int stages = 1, int shards = 1, int threads = 0, int maxTokens = 65_536, IProgress<double>? progress = null)
    {
        var layers = model.Graph.Layers.Length;
        var experts = model.Graph.Layers.Max(layer => layer.FeedForward is MoeSpec moe ? moe.Experts : 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(stages, layers);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(shards, experts);
        CpuStage[] stageParts = [.. Enumerable.Range(0, stages).Select(i => CpuStage.Load(model, layers * i / stages, layers * (i + 1) / stages, progress))];
        CpuShard[] shardParts = [.. Enumerable.Range(0, shards).Select(i => CpuShard.Load(model, experts * i / shards, experts * (i + 1) / shards, progress))];
        var sizes = SizesOf(model.Graph, maxTokens) with { Threads = threads };
        return new OfflineRunner(model.Graph, new CpuBackend(model.Graph, stageParts, shardParts, sizes), [.. stageParts, .. shardParts], sizes.MaxLogitsRows, maxTokens);
    }

    /// <summary>The same on GPUs.</summary>
    /// <param name="model">Folder.</param>
    /// <param name="options">Which GPUs, and how.</param>
    /// <param name="maxTokens">Longest sequence to have room for.</param>
    /// <param name="progress">0 to 1.</param>
    /// <exception cref="Loire.Cuda.CudaMissingException">No GPU can be used.</exception>
    public static OfflineRunner LoadCuda(ModelFolder model, CudaOptions options, int maxTokens = CudaTokens, IProgress<double>? progress = null)
    {
        var sizes = SizesOf(model.Graph, maxTokens);
        return new OfflineRunner(model.Graph, CudaBackend.Load(model, sizes, options, progress), [], sizes.MaxLogitsRows, maxTokens);
    }

    /// <summary>What says, beside the model, how much memory it takes on GPUs.</summary>
    public static GpuSizes GpuSizesOf(ModelGraph graph, CudaOptions cuda, int maxTokens = CudaTokens) => GpuSizes.Of(SizesOf(graph, maxTokens), cuda);

    /// <summary>Forgets the sequence.</summary>
    public void Reset()
    {
        Position = 0;
        _backend.ClearState(slot: 0);
    }

    /// <summary>Feeds <paramref name="ids"/> in pieces of the given lengths (the last piece takes the rest; none: all at once) through a fresh sequence.</summary>
    /// <param name="ids">The prompt.</param>
    /// <param name="pieces">Piece lengths.</param>
    /// <param name="logits">Called for each position in order with its <c>[vocabulary]</c> logits.</param>
    public void Run(ReadOnlySpan<int> ids, ReadOnlySpan<int> pieces, LogitsSink logits)
    {
        Reset();
        var done = 0;
        for (var piece = 0; done < ids.Length; piece++)
        {
            var wanted = piece < pieces.Length ? pieces[piece] : ids.Length;
            ArgumentOutOfRangeException.ThrowIfNegativeOrZero(wanted, nameof(pieces));
            var rest = ids.Slice(done, Math.Min(wanted, ids.Length - done));
            while (rest.Length > 0)
            {
                var count = Math.Min(rest.Length, LogitsRows);
                Feed(rest[..count], LogitsWanted.All);
                for (var i = 0; i < count; i++)
                {
                    logits(done + i, _backend.Logits(i));
                }

                done += count;
                rest = rest[count..];
            }
        }
    }

    /// <summary>Greedy continuation of a prompt, one token at a time; end tokens do not stop it.</summary>
    public int[] Greedy(ReadOnlySpan<int> ids, int count)
    {
        Reset();
        Prefill(ids);
        var generated = new int[count];
        for (var i = 0; i < count; i++)
        {
            generated[i] = System.Numerics.Tensors.TensorPrimitives.IndexOfMax(_backend.Logits(0));
            Feed([generated[i]], LogitsWanted.Last);
        }

        return generated;
    }

    /// <summary>Feeds tokens after those of the sequence so far; only the last one's logits are computed.</summary>
    /// <returns>Those logits, valid until the next call.</returns>
    public ReadOnlySpan<float> Prefill(ReadOnlySpan<int> ids)
    {
        while (ids.Length > 0)
        {
            var count = Math.Min(ids.Length, MaxRows);
            Feed(ids[..count], count == ids.Length ? LogitsWanted.Last : LogitsWanted.None);
            ids = ids[count..];
        }

        return _backend.Logits(0);
    }

    /// <summary>Runs the action and says what its steps spent their time on.</summary>
    /// <exception cref="NotSupportedException">Not on a GPU.</exception>
    public IReadOnlyDictionary<StepPart, TimeSpan> Profile(Action action) =>
        _backend is CpuBackend cpu ? cpu.Profile(action) : throw new NotSupportedException("Only the CPU says what its steps spent their time on.");

    public void Dispose()
    {
        _backend.Dispose();
        foreach (var part in _parts)
        {
            part.Dispose();
        }
    }

    private static BackendSizes SizesOf(ModelGraph graph, int maxTokens)
    {
        var tokens = Math.Min(maxTokens, graph.ContextLength);
        var logitsRows = (int)Math.Clamp(MaxLogits / graph.VocabularySize, 1, MaxRows);
        return new BackendSizes(Slots: 1, PagePool.PagesFor(tokens), MaxRows, logitsRows, Threads: 0);
    }

    private void Feed(ReadOnlySpan<int> ids, LogitsWanted logits)
    {
        if (Position + ids.Length > MaxTokens)
        {
            throw new ArgumentException($"The sequence would have {Position + ids.Length} tokens; there is room for {MaxTokens}.", nameof(ids));
        }

        if (ids.IndexOfAnyExceptInRange(0, Graph.VocabularySize - 1) is var outside and >= 0)
        {
            throw new ArgumentException($"Token {ids[outside]} is outside the vocabulary of {Graph.VocabularySize}.", nameof(ids));
        }

        while (_pages.Count * StateShape.PageTokens < Position + ids.Length)
        {
            _pages.Add(_pages.Count);
        }

        _batch.Clear();
        _batch.Add(slot: 0, _pages, Position, ids, logits);
        _backend.Run(_batch);
        Position += ids.Length;
    }
}

/// <summary>Takes the logits of one position.</summary>
public delegate void LogitsSink(int position, ReadOnlySpan<float> logits);
