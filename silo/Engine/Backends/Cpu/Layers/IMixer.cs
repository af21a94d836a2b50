namespace Loire.Engine.Backends.Cpu.Layers;

/// <summary>How a layer mixes the tokens of a sequence, with its weights and its part of the slots' and pages' memory.</summary>
internal interface IMixer : IDisposable
{
    long WeightBytes { get; }

    MixerShape Shape { get; }

    /// <summary>Recurrent state of one slot; 0 for none.</summary>
    int StateBytes { get; }

    /// <summary>Keys and values of one token; 0 for none.</summary>
    int KeyValueBytesPerToken { get; }

    /// <summary>Makes room for states, in place of what there was.</summary>
    void AllocateState(int slots, int pages, bool isCommitted);

    /// <summary>The slot's state before any token. Pages need no clearing: nothing reads beyond a sequence's tokens.</summary>
    void ClearState(int slot);

    /// <summary>Reads <see cref="StepBuffers.Normed"/>, writes <see cref="StepBuffers.Output"/>; every worker calls it, and it ends with a barrier.</summary>
    void Run(Worker worker, StepContext step);
}

/// <summary>Widths of a mixer's buffers, in floats a row.</summary>
/// <param name="Projected">Of <see cref="StepBuffers.Projected"/>.</param>
/// <param name="Mixed">Of <see cref="StepBuffers.Mixed"/>.</param>
/// <param name="HeadDim">Of one head.</param>
/// <param name="QueriesPerKey">Query heads that share a key-value head.</param>
internal readonly record struct MixerShape(int Projected, int Mixed, int HeadDim, int QueriesPerKey);
