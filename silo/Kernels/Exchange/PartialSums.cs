using System.Runtime.InteropServices;
using Loire.Cuda;

namespace Loire.Kernels;

/// <summary>The sum that one GPU has of a row whose terms are spread over several, written into each of them: <c>target_g[r, part, :] = Σ_c w[r,c] · f[r,c,:] + s[r] · shared[r,:]</c>.</summary>
/// <remarks>
/// <para>All in fp32. With every part pushed into <c>[rows, parts, hidden]</c>, <see cref="AddNorm"/> adds the parts up as its terms, in their order: the same bits on every GPU.</para>
/// <para>Terms are added in their order as <see cref="AddNorm"/> adds them; those of experts that are elsewhere are not read. An element's bits depend on its own terms alone.</para>
/// <para>Its own end makes the writes visible to the whole host: who reads them on another GPU waits for an event recorded after it. That nobody still reads what is overwritten is the caller's to see to.</para>
/// <para>Cost: <c>4 · rows · hidden</c> bytes for each term that counts, and as many for each target; bound by memory, between GPUs by their links.</para>
/// <para>Meaning: <see cref="PartialSumsReference"/>.</para>
/// </remarks>
/// <param name="module">Compiled from <c>PartialSums.cu</c>.</param>
public sealed class PartialSums(CudaModule module)
{
    /// <summary>Targets of a push, and parts of a row.</summary>
    public const int MostParts = 8;

    private const int Threads = 256;
    private const int ThreadsOfFew = 64;
    private const int BlocksEach = 16; // of a multiprocessor
    private const int Quad = 4; // elements of a 16-byte load

    private readonly CudaFunction<Parameters> _any = module.Function<Parameters>("push_partial_sums");
    private readonly CudaFunction<Parameters> _wide = module.Function<Parameters>("push_partial_sums_wide");

    /// <param name="stream">To run on.</param>
    /// <param name="source">What is added up.</param>
    /// <param name="targets">Where the sums go.</param>
    /// <remarks>Where hidden is a multiple of 4, every address of rows of it is a multiple of 16.</remarks>
    /// <exception cref="ArgumentException">There are no targets, or none for the squares.</exception>
    public void Enqueue(CudaStream stream, in PartialTerms source, in PartialTargets targets)
    {
        if (targets.Count == 0 || (source.Squares != 0 && !targets.HaveSquares))
        {
            throw new ArgumentException($"There are {targets.Count} targets, {(targets.HaveSquares ? "with" : "without")} room for squares; the rows come {(source.Squares == 0 ? "without" : "with")} them.", nameof(targets));
        }

        if (source.Rows == 0 || source.Hidden == 0)
        {
            return;
        }

        var isWide = source.Hidden % Quad == 0;
        var (blocks, threads) = FormOf(source.Rows, isWide ? source.Hidden / Quad : source.Hidden, module.Device.Multiprocessors);
        var grid = new LaunchGrid(source.Rows, blocks, 1, threads, 0, Launches.AreProgrammatic);
        (isWide ? _wide : _any).Launch(stream, grid, new Parameters(source, targets));
    }

    /// <summary>Blocks of a row, and threads of a block. Few rows are spread over as many multiprocessors as there are; of very many, a block has a whole row.</summary>
    /// <param name="rows">At least 1.</param>
    /// <param name="columns">Numbers, or quads of them, of a row; at least 1.</param>
    /// <param name="multiprocessors">Of the device.</param>
    internal static (int Blocks, int Threads) FormOf(int rows, int columns, int multiprocessors)
    {
        var small = (columns + ThreadsOfFew - 1) / ThreadsOfFew;
        var atOnce = multiprocessors * BlocksEach;
        return (long)rows * small <= atOnce
            ? (small, ThreadsOfFew)
            : (Math.Clamp(atOnce / rows, 1, (columns + Threads - 1) / Threads), Threads);
    }

    /// <summary>Field for field the <c>PartialSumsParameters</c> of PartialSums.cu.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public readonly struct Parameters(in PartialTerms source, in PartialTargets targets)
    {
        public readonly ulong Terms = source.Terms;
        public readonly ulong Weights = source.Weights;
        public readonly ulong Chosen = source.Chosen;
        public readonly ulong Shared = source.Shared;
        public readonly ulong SharedWeights = source.SharedWeights;
        public readonly ulong Squares = source.Squares;
        public readonly PartialAddresses TargetSums = targets.Sums;
        public readonly PartialAddresses TargetSquares = targets.Squares;
        public readonly int Targets = targets.Count;
        public readonly int Part = targets.Part;
        public readonly int Parts = targets.Parts;
        public readonly int Choices = source.Terms == 0 ? 0 : source.Choices;
        public readonly int FirstExpert = source.FirstExpert;
        public readonly int EndExpert = source.EndExpert;
        public readonly int Hidden = source.Hidden;
    }
}

/// <summary>What one GPU has of each row, by addresses; 0 is absent.</summary>
public readonly record struct PartialTerms
{
    public required int Rows { get; init; }

    public required int Hidden { get; init; }

    /// <summary>fp32 <c>[rows, choices, hidden]</c></summary>
    public ulong Terms { get; init; }

    public int Choices { get; init; }

    /// <summary>fp32 <c>[rows, choices]</c>; 0: each counts as 1.</summary>
    public ulong Weights { get; init; }

    /// <summary>int <c>[rows, choices]</c>, the expert of each term; 0: every term counts.</summary>
    public ulong Chosen { get; init; }

    /// <summary>The first of the experts whose terms count. Terms of others may be NaN or never written.</summary>
    public int FirstExpert { get; init; }

    /// <summary>The first after them.</summary>
    public int EndExpert { get; init; }

    /// <summary>fp32 <c>[rows, hidden]</c>, added last.</summary>
    public ulong Shared { get; init; }

    /// <summary>fp32 <c>[rows]</c>; 0: each counts as 1.</summary>
    public ulong SharedWeights { get; init; }

    /// <summary>fp32 <c>[rows]</c>, to go with the sums as they are.</summary>
    public ulong Squares { get; init; }
}
