using Loire.Engine.Models;

namespace Loire.Engine.Replica;

/// <summary>Runs prompts outside the step loop and keeps every position's logits: verification and <c>loire logits</c>.</summary>
public sealed class OfflineRunner : IDisposable
{
    public static OfflineRunner Load(ModelFolder model, int stages = 1, int shards = 1, int threads = 0, IProgress<double>? progress = null) => throw new InvalidOperationException("engine is being assembled");

    public ModelGraph Graph => throw new InvalidOperationException("engine is being assembled");

    /// <summary>Feeds <paramref name="ids"/> in pieces of the given lengths (the last piece takes the rest; none: all at once) through a fresh sequence.</summary>
    /// <param name="ids">The prompt.</param>
    /// <param name="pieces">Piece lengths.</param>
    /// <param name="logits">Called for each position in order with its <c>[vocabulary]</c> logits.</param>
    public void Run(ReadOnlySpan<int> ids, ReadOnlySpan<int> pieces, Action<int, ReadOnlySpan<float>> logits) => throw new InvalidOperationException("engine is being assembled");

    /// <summary>Greedy continuation of a prompt, one token at a time.</summary>
    public int[] Greedy(ReadOnlySpan<int> ids, int count) => throw new InvalidOperationException("engine is being assembled");

    public void Dispose() => throw new InvalidOperationException("engine is being assembled");
}
