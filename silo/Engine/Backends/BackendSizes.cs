namespace Loire.Engine.Backends;

/// <summary>Sizes of a backend's memory.</summary>
/// <param name="Slots">Sequences with recurrent state.</param>
/// <param name="Pages">Pages of keys and values.</param>
/// <param name="MaxRows">Tokens of one step.</param>
/// <param name="MaxLogitsRows">Rows of one step whose logits are wanted.</param>
/// <param name="Threads">0: one a core.</param>
internal readonly record struct BackendSizes(int Slots, int Pages, int MaxRows, int MaxLogitsRows, int Threads)
{
    /// <summary>Memory of slots and pages on the CPU is backed when it is made, not when it is first touched.</summary>
    public bool CommitsStates { get; init; }
}
