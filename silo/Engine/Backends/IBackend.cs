using Loire.Engine.Replica;
using Loire.Engine.Sampling;
using Loire.Engine.State;

namespace Loire.Engine.Backends;

/// <summary>What computes steps and holds the memory of slots and pages.</summary>
/// <remarks>
/// <para>Steps and their results are the stepping thread's. State is read and written by any thread, as long as
/// no step runs that slot, or writes those tokens of that page, at the time: the caller sees to it.</para>
/// <para>Steps run in the order in which they are enqueued, and some may be under way at once. What the stepping thread asks of a state in between
/// comes after all that it has enqueued.</para>
/// </remarks>
internal interface IBackend : IDisposable
{
    int VocabularySize { get; }

    StateShape State { get; }

    int Slots { get; }

    int Pages { get; }

    /// <summary>Steps that may be enqueued and not landed at once. 1: each is waited for.</summary>
    int MostUnderWay => 1;

    /// <summary>Into how many batches sequences are divided, which take turns: as many as there are stages that work at the same time.</summary>
    int Turns => 1;

    /// <summary>Whether tokens are drawn where the logits are, and not only the best one found.</summary>
    bool CanDraw => false;

    /// <summary>Begins a step. The batch may be filled anew at once.</summary>
    /// <exception cref="Links.PartLostException">A part on another silo is gone, and the state of every slot with it.</exception>
    void Enqueue(StepBatch batch);

    /// <summary>Where the token of a row of logits of the step that was enqueued last will be: what <see cref="StepBatch.AddNext"/> takes.</summary>
    int ResultOf(int index) => throw new NotSupportedException("This backend's steps are waited for.");

    /// <summary>Waits for the oldest step that is under way. Its results can be asked for until another step is enqueued or lands.</summary>
    void Land();

    /// <summary>The token that the backend itself has chosen for a row of the landed step, as the row's rule has it. −1: it has not, or is not certain.</summary>
    int Chosen(int index) => -1;

    /// <summary>Logits of the landed step, by the order of its logits rows.</summary>
    ReadOnlySpan<float> Logits(int index);

    /// <summary>Whether <see cref="Greedy"/> can be asked.</summary>
    bool HasGreedy => false;

    /// <summary>The greatest logit of the landed step's row, the lowest token among equals, and its log-probability: NaN where a logit is.</summary>
    /// <remarks>For backends on which a row of logits is far away.</remarks>
    TokenLogProb Greedy(int index) => throw new NotSupportedException("This backend gives logits.");

    /// <summary>Whether <see cref="Candidates"/> can be asked of the landed step's rows: the step needed them, and the backend gives them.</summary>
    bool HasCandidates => false;

    /// <summary>The best logits of the landed step's row, and the sum over all of it. Valid until the next call.</summary>
    LogitCandidates Candidates(int index) => throw new NotSupportedException("This backend gives logits.");

    /// <summary>Puts a shard in the place of another that has the same experts. Between two steps.</summary>
    void Route(ICpuShard from, ICpuShard to) => throw new NotSupportedException("This backend's shards do not move.");

    /// <summary>The state before any token.</summary>
    void ClearState(int slot);

    /// <summary>Reads a layer's recurrent state in the canonical layout.</summary>
    void ReadRecurrent(int layer, int slot, Span<byte> blob);

    /// <summary>All layers' recurrent states as they are now. By the stepping thread: after all enqueued steps, and before any other.</summary>
    RecurrentCopy CopyRecurrent(int slot) => new RecurrentCopyInMemory(this, slot);

    /// <summary>Reads all layers' recurrent states, one after the other as <see cref="StateShape.Recurrent"/> has them.</summary>
    void ReadRecurrent(int slot, Span<byte> blobs)
    {
        foreach (var (layer, bytes) in State.Recurrent)
        {
            ReadRecurrent(layer, slot, blobs[..bytes]);
            blobs = blobs[bytes..];
        }
    }

    void WriteRecurrent(int layer, int slot, ReadOnlySpan<byte> blob);

    /// <summary>Reads the first <paramref name="tokens"/> keys and values of a page in the canonical layout.</summary>
    void ReadKeyValues(int layer, int page, int tokens, Span<byte> blob);

    void WriteKeyValues(int layer, int page, int tokens, ReadOnlySpan<byte> blob);
}
