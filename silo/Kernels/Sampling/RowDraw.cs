using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Loire.Cuda;

namespace Loire.Kernels;

/// <summary>Draws tokens that <see cref="TokenChoice"/> leaves open, from the whole row where its logits are: as the host's sampler does, where rounding cannot lead to another token.</summary>
/// <remarks>
/// <para>Runs after <see cref="TokenChoice"/>, on the same choices and results. Rows that are decided, that are no draws, or that hold NaN, +∞ or nothing above −∞ stay as they are.</para>
/// <para>Weights are the host's to the bit, and sums are in double on both sides. A row stays open where a comparison of sums is nearer than their rounding, in whatever order they are added up:
/// of 200,064 alike seldom more than one draw in 10,000. A row's result does not depend on its batch, nor on the order of atomic additions: those are of integers.</para>
/// <para>Cost: reads the row once, and a segment of it again; three times more with a top-k, and three times with a top-p. Decided rows cost a few loads. Meaning: the engine's sampler, to which the tests hold it.</para>
/// </remarks>
/// <param name="module">Compiled from <c>RowDraw.cu</c>.</param>
public sealed class RowDraw(CudaModule module)
{
    /// <summary>Tokens of a vocabulary: a thread has a segment of 512 of them.</summary>
    public const int MostVocabulary = 500_000;

    private const int Threads = 1024;

    /// <summary>Whether rows of so many tokens can be drawn from.</summary>
    public static bool Fits(int vocabulary) => vocabulary <= MostVocabulary;

    private readonly CudaFunction<Parameters> _draw = module.Function<Parameters>("draw_from_rows");

    /// <param name="stream">To run on; what the parts are read from is complete there.</param>
    /// <param name="choices"><c>[rows]</c> of <see cref="RowChoice"/>.</param>
    /// <param name="parts">1 to <see cref="TokenChoice.MostParts"/>, in ascending order of their tokens, and all tokens among them.</param>
    /// <param name="rows">At least 0.</param>
    /// <param name="vocabulary">Tokens of all parts, at most <see cref="MostVocabulary"/>.</param>
    /// <param name="chosen"><c>[rows]</c>, as <see cref="TokenChoice"/> leaves it: the token; −1: it is not decided. Read and written to.</param>
    /// <param name="carried"><c>[rows]</c>: the token, if the sequence goes on with it; −1: it is not decided, or an end.</param>
    /// <exception cref="ArgumentException">Shapes disagree, or there are too many tokens.</exception>
    public void Enqueue(CudaStream stream, DeviceVector<int> choices, ReadOnlySpan<DrawPart> parts, int rows, int vocabulary, DeviceVector<int> chosen, DeviceVector<int> carried)
    {
        if (parts.Length is 0 or > TokenChoice.MostParts)
        {
            throw new ArgumentException($"The vocabulary has {parts.Length} parts; there have to be 1 to {TokenChoice.MostParts}.", nameof(parts));
        }

        if (choices.Length < (long)rows * RowChoice.Length || chosen.Length < rows || carried.Length < rows)
        {
            throw new ArgumentException($"{rows} rows: {choices.Length} words of choices, {RowChoice.Length} for each, and room for {chosen.Length} tokens and {carried.Length} carried ones.");
        }

        CheckTokens(parts, rows, vocabulary);
        if (rows == 0)
        {
            return;
        }

        _draw.Launch(
            stream, new LaunchGrid(rows, 1, 1, Threads, 0, Launches.AreProgrammatic),
            new Parameters(choices.Address, chosen.Address, carried.Address, new PartsAddresses(parts), parts.Length, vocabulary));
    }

    private static void CheckTokens(ReadOnlySpan<DrawPart> parts, int rows, int vocabulary)
    {
        if (!Fits(vocabulary))
        {
            throw new ArgumentException($"The vocabulary has {vocabulary} tokens; there may be {MostVocabulary}.", nameof(vocabulary));
        }

        var next = 0L;
        foreach (var part in parts)
        {
            part.Check(rows);
            if (part.FirstToken != next)
            {
                throw new ArgumentException($"A part begins with token {part.FirstToken}; the parts before it end at {next}.", nameof(parts));
            }

            next += part.Logits.Columns;
        }

        if (next != vocabulary)
        {
            throw new ArgumentException($"The parts have {next} tokens, and the vocabulary {vocabulary}.", nameof(parts));
        }
    }

    /// <summary>Field for field the <c>RowDrawParameters</c> of RowDraw.cu.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public readonly record struct Parameters(ulong Choices, ulong Chosen, ulong Carried, PartsAddresses Parts, int PartCount, int Vocabulary);

    /// <summary>Field for field the <c>RowPart</c> of RowDraw.cu.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public readonly record struct PartAddresses(ulong Logits, ulong LogProbs, ulong Maxima, long FirstToken, long Columns);

    /// <summary>As a kernel's parameters hold them; those that are not used are 0.</summary>
    [InlineArray(TokenChoice.MostParts)]
    public struct PartsAddresses
    {
        private PartAddresses _first;

        internal PartsAddresses(ReadOnlySpan<DrawPart> parts)
        {
            for (var i = 0; i < parts.Length; i++)
            {
                this[i] = parts[i].Addresses;
            }
        }
    }
}

/// <summary>The rows of one part of a vocabulary; they may lie on another GPU that this one can read.</summary>
/// <param name="Logits"><c>[rows, tokens of the part]</c>.</param>
/// <param name="LogProbs"><c>[rows]</c>: of the part's best, among the part's tokens, as <see cref="GreedySampling"/> gives it.</param>
/// <param name="Maxima"><c>[rows]</c>: logits of the best.</param>
/// <param name="FirstToken">The token of the whole vocabulary that is the part's 0.</param>
public readonly record struct DrawPart(DeviceMatrix<float> Logits, DeviceVector<float> LogProbs, DeviceVector<float> Maxima, int FirstToken)
{
    internal RowDraw.PartAddresses Addresses => new(Logits.Address, LogProbs.Address, Maxima.Address, FirstToken, Logits.Columns);

    internal void Check(int rows)
    {
        if (Logits.Rows < rows || LogProbs.Length < rows || Maxima.Length < rows)
        {
            throw new ArgumentException($"{rows} rows: the part from token {FirstToken} has {Logits.Rows} rows of logits, {LogProbs.Length} log-probabilities and {Maxima.Length} maxima.");
        }
    }
}
