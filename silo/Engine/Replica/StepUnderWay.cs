using System.Runtime.InteropServices;

namespace Loire.Engine.Replica;

/// <summary>A step that has been enqueued and has not landed: whose rows it has. Used again and again.</summary>
internal sealed class StepUnderWay
{
    private readonly List<SequenceRows> _parts = [];

    /// <summary>In the order of the batch.</summary>
    public ReadOnlySpan<SequenceRows> Parts => CollectionsMarshal.AsSpan(_parts);

    public void Clear() => _parts.Clear();

    public void Add(in SequenceRows part) => _parts.Add(part);

    /// <summary>A sequence's rows in this step are of no meaning: the token that they wait for is none, or the last.</summary>
    /// <returns>Whether it has any here.</returns>
    public bool Void(Sequence sequence)
    {
        foreach (ref var part in CollectionsMarshal.AsSpan(_parts))
        {
            if (part.Sequence == sequence && !part.IsVoid)
            {
                part = part with { IsVoid = true };
                return true;
            }
        }

        return false;
    }
}

/// <summary>One sequence's rows of a step.</summary>
/// <param name="Sequence">Whose.</param>
/// <param name="Rows">How many.</param>
/// <param name="Logits">Index of the logits that its next token comes of; −1: none does.</param>
internal readonly record struct SequenceRows(Sequence Sequence, int Rows, int Logits)
{
    /// <summary>The rows are of no meaning: nobody looks at what they give.</summary>
    public bool IsVoid { get; init; }
}
