using System.Runtime.InteropServices;

namespace Loire.Kernels;

/// <summary>Who chooses the token of a row, and how.</summary>
public enum ChoiceKind
{
    /// <summary>The host does.</summary>
    None = 0,

    /// <summary>The greatest logit, the lowest token among equals.</summary>
    Best = 1,

    /// <summary>At a temperature, through filters.</summary>
    Draw = 2,
}

/// <summary>How <see cref="TokenChoice"/> chooses the token of one row: twelve words, as the device reads them. The default leaves it to the host.</summary>
[StructLayout(LayoutKind.Sequential)]
public readonly record struct RowChoice
{
    /// <summary>In 32-bit words.</summary>
    public const int Length = 12;

    /// <summary>Tokens that end a sequence, at most.</summary>
    public const int MostEnds = 5;

    private RowChoice(ChoiceKind kind, ReadOnlySpan<int> ends)
    {
        if (ends.Length > MostEnds)
        {
            throw new ArgumentException($"{ends.Length} tokens end the sequence; there is room for {MostEnds}.", nameof(ends));
        }

        Kind = kind;
        (End0, End1, End2, End3, End4) = (At(ends, 0), At(ends, 1), At(ends, 2), At(ends, 3), At(ends, 4));
    }

    public ChoiceKind Kind { get; }

    /// <summary>Keeps the K best tokens, and those equal to the last of them; 0 keeps all.</summary>
    public int TopK { get; private init; }

    /// <summary>What differences of logits are multiplied with: the inverse of the temperature.</summary>
    public float Scale { get; private init; }

    /// <summary>Keeps the fewest best tokens whose probabilities reach this sum; 1 keeps all.</summary>
    public float TopP { get; private init; }

    /// <summary>Drops tokens less probable than this share of the best one; 0 drops none.</summary>
    public float MinP { get; private init; }

    /// <summary>The lower half of the bits of a double, from 0 to below 1: where in the sum of the weights that are left the token lies.</summary>
    public uint UniformLow { get; private init; }

    /// <summary>The upper half.</summary>
    public uint UniformHigh { get; private init; }

    /// <summary>After which the sequence does not go on; −1: none.</summary>
    public int End0 { get; }

    public int End1 { get; }

    public int End2 { get; }

    public int End3 { get; }

    public int End4 { get; }

    /// <summary>The best token.</summary>
    /// <param name="ends">At most <see cref="MostEnds"/> tokens, after which the sequence does not go on.</param>
    /// <exception cref="ArgumentException">There are more.</exception>
    public static RowChoice Best(ReadOnlySpan<int> ends) => new(ChoiceKind.Best, ends);

    /// <summary>A draw as the host's sampler makes it with these settings, and with none that changes a logit.</summary>
    /// <param name="scale">The inverse of the temperature, positive.</param>
    /// <param name="topK">0: all.</param>
    /// <param name="topP">1: all.</param>
    /// <param name="minP">0: all.</param>
    /// <param name="uniform">From 0 to below 1.</param>
    /// <param name="ends">At most <see cref="MostEnds"/> tokens, after which the sequence does not go on.</param>
    /// <exception cref="ArgumentException">There are more.</exception>
    public static RowChoice Draw(float scale, int topK, float topP, float minP, double uniform, ReadOnlySpan<int> ends)
    {
        var bits = BitConverter.DoubleToUInt64Bits(uniform);
        return new RowChoice(ChoiceKind.Draw, ends)
        {
            Scale = scale,
            TopK = topK,
            TopP = topP,
            MinP = minP,
            UniformLow = (uint)bits,
            UniformHigh = (uint)(bits >> 32),
        };
    }

    private static int At(ReadOnlySpan<int> ends, int index) => index < ends.Length ? ends[index] : -1;
}
