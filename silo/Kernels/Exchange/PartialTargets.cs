using System.Runtime.CompilerServices;

namespace Loire.Kernels;

/// <summary>Where a part of each row goes: memory of this GPU and of those that it may write to. Made once, good for every push.</summary>
public readonly struct PartialTargets
{
    /// <param name="sums">1 to 8 addresses of fp32 <c>[rows, parts, hidden]</c>.</param>
    /// <param name="squares">As many of fp32 <c>[rows, parts]</c>; empty: no squares are pushed.</param>
    /// <param name="part">Which of each row is written, from 0.</param>
    /// <param name="parts">Of each row, at most 8.</param>
    /// <exception cref="ArgumentException">Too few or too many of them, an address of 0, or a part that there is not.</exception>
    public PartialTargets(ReadOnlySpan<ulong> sums, ReadOnlySpan<ulong> squares, int part, int parts)
    {
        if (sums.Length is 0 or > PartialSums.MostParts || (squares.Length != 0 && squares.Length != sums.Length) || sums.Contains(0ul) || squares.Contains(0ul))
        {
            throw new ArgumentException($"{sums.Length} addresses of sums and {squares.Length} of squares; there have to be 1 to {PartialSums.MostParts} of sums, as many or none of squares, and none may be 0.", nameof(sums));
        }

        if (parts is < 1 or > PartialSums.MostParts || part < 0 || part >= parts)
        {
            throw new ArgumentException($"Part {part} of {parts}; there are 1 to {PartialSums.MostParts}, counted from 0.", nameof(part));
        }

        Sums = new PartialAddresses(sums);
        Squares = new PartialAddresses(squares);
        Count = sums.Length;
        HaveSquares = squares.Length > 0;
        Part = part;
        Parts = parts;
    }

    public int Count { get; }

    public bool HaveSquares { get; }

    public int Part { get; }

    public int Parts { get; }

    internal PartialAddresses Sums { get; }

    internal PartialAddresses Squares { get; }
}

/// <summary>Up to 8 device addresses, as a kernel's parameters hold them; those that are not used are 0.</summary>
[InlineArray(PartialSums.MostParts)]
public struct PartialAddresses
{
    private ulong _first;

    internal PartialAddresses(ReadOnlySpan<ulong> addresses) => addresses.CopyTo(this);
}
