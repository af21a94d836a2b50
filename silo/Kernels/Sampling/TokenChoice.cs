using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Loire.Cuda;

namespace Loire.Kernels;

/// <summary>The token of each row, chosen where its logits are: exactly where it is certain which one the host would choose, so that the next step need not wait for the host.</summary>
/// <remarks>
/// <para>The best token is that of <see cref="GreedyParts"/>. A draw goes by the best 64 of the whole row (<see cref="TopCandidates"/>) and by its sum of exponentials, as the host's sampler does: the same weights to the bit, the same bounds for the other tokens, the same tolerances. A token that is given is the one that the host's sampler gives for the whole row; where bounds or tolerances leave it open, none is.</para>
/// <para>None is given either for a row with NaN or +∞, for one that is all −∞, and for a draw without candidates. A row's result does not depend on its batch.</para>
/// <para>Cost: a few hundred bytes a row; bound by latency. Meaning: the engine's sampler, to which the tests hold it.</para>
/// </remarks>
/// <param name="module">Compiled from <c>TokenChoice.cu</c>.</param>
public sealed class TokenChoice(CudaModule module)
{
    /// <summary>That a vocabulary may be cut into.</summary>
    public const int MostParts = 8;

    private const int Candidates = TopCandidates.MostCount; // and threads for each part
    private const int TakeThreads = 256;

    private readonly CudaFunction<Parameters> _choose = module.Function<Parameters>("choose_tokens");
    private readonly CudaFunction<TakeParameters> _take = module.Function<TakeParameters>("take_tokens");

    /// <param name="stream">To run on; what the parts are read from is complete there.</param>
    /// <param name="choices"><c>[rows]</c> of <see cref="RowChoice"/>.</param>
    /// <param name="parts">1 to <see cref="MostParts"/>, in ascending order of their tokens; all with candidates or none.</param>
    /// <param name="rows">At least 0.</param>
    /// <param name="vocabulary">Tokens of all parts.</param>
    /// <param name="chosen"><c>[rows]</c>: the token; −1: it is not decided.</param>
    /// <param name="carried"><c>[rows]</c>: the token, if the sequence goes on with it; −1: it is not decided, or an end.</param>
    /// <exception cref="ArgumentException">Shapes disagree.</exception>
    public void Enqueue(CudaStream stream, DeviceVector<int> choices, ReadOnlySpan<ChoicePart> parts, int rows, int vocabulary, DeviceVector<int> chosen, DeviceVector<int> carried)
    {
        if (parts.Length is 0 or > MostParts)
        {
            throw new ArgumentException($"The vocabulary has {parts.Length} parts; there have to be 1 to {MostParts}.", nameof(parts));
        }

        if (choices.Length < (long)rows * RowChoice.Length || chosen.Length < rows || carried.Length < rows)
        {
            throw new ArgumentException($"{rows} rows: {choices.Length} words of choices, {RowChoice.Length} for each, and room for {chosen.Length} tokens and {carried.Length} carried ones.");
        }

        foreach (var part in parts)
        {
            part.Check(rows, parts[0].HasCandidates);
        }

        if (rows == 0)
        {
            return;
        }

        _choose.Launch(
            stream, new LaunchGrid(rows, 1, 1, parts.Length * Candidates, 0, Launches.AreProgrammatic),
            new Parameters(choices.Address, chosen.Address, carried.Address, new PartsAddresses(parts), parts.Length, vocabulary));
    }

    /// <summary>The first kernel of a step whose tokens an earlier one has chosen: a token of <c>−1 − i</c> becomes the i-th of the carried.</summary>
    /// <remarks>A row whose carried token is −1 does not go on: it becomes what pads a step, token and position 0 in the spare slot and page, and nobody reads its result. Its sequence has to have no other row. Other rows stay as they are.</remarks>
    /// <param name="stream">To run on.</param>
    /// <param name="step">Positions, slots and page table are written to.</param>
    /// <param name="tokens"><c>[rows]</c>, written to.</param>
    /// <param name="carried">Of earlier steps.</param>
    /// <param name="spareSlot">Of padded rows.</param>
    /// <param name="sparePage">Of padded rows.</param>
    /// <exception cref="ArgumentException">There are fewer tokens than rows.</exception>
    public void EnqueueTake(CudaStream stream, in StepInputs step, DeviceVector<int> tokens, DeviceVector<int> carried, int spareSlot, int sparePage)
    {
        if (tokens.Length < step.Rows)
        {
            throw new ArgumentException($"{step.Rows} rows have {tokens.Length} tokens.", nameof(tokens));
        }

        if (step.Rows == 0)
        {
            return;
        }

        var parameters = new TakeParameters(
            tokens.Address, step.Positions.Address, step.SequenceOfRow.Address, step.Slot.Address, step.PageTable.Address, carried.Address, step.PageTable.Columns,
            step.Rows, spareSlot, sparePage);
        _take.Launch(stream, new LaunchGrid((step.Rows + TakeThreads - 1) / TakeThreads, 1, 1, TakeThreads, 0, Launches.AreProgrammatic), parameters);
    }

    /// <summary>Field for field the <c>ChoiceParameters</c> of TokenChoice.cu.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public readonly record struct Parameters(ulong Choices, ulong Chosen, ulong Carried, PartsAddresses Parts, int PartCount, int Vocabulary);

    /// <summary>Field for field the <c>ChoicePart</c> of TokenChoice.cu.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public readonly record struct PartAddresses(ulong Tokens, ulong LogProbs, ulong Maxima, ulong CandidateTokens, ulong CandidateLogits, long FirstToken);

    /// <summary>As a kernel's parameters hold them; those that are not used are 0.</summary>
    [InlineArray(MostParts)]
    public struct PartsAddresses
    {
        private PartAddresses _first;

        internal PartsAddresses(ReadOnlySpan<ChoicePart> parts)
        {
            for (var i = 0; i < parts.Length; i++)
            {
                this[i] = parts[i].Addresses;
            }
        }
    }

    /// <summary>Field for field the <c>TakeParameters</c> of TokenChoice.cu.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public readonly record struct TakeParameters(
        ulong Tokens, ulong Positions, ulong SequenceOfRow, ulong Slot, ulong PageTable, ulong Carried, long PageStride, int Rows, int SpareSlot, int SparePage);
}

/// <summary>What is known of the rows in one part of a vocabulary; it may lie on another GPU that this one can read.</summary>
/// <param name="Tokens"><c>[rows]</c>: the best of the part, as <see cref="GreedySampling"/> gives it, in the numbers of the part.</param>
/// <param name="LogProbs"><c>[rows]</c>, among the part's tokens.</param>
/// <param name="Maxima"><c>[rows]</c>: logits of the best.</param>
/// <param name="CandidateTokens"><c>[rows, 64]</c>, as <see cref="TopCandidates"/> gives them, in the numbers of the part; none: no row is drawn.</param>
/// <param name="CandidateLogits"><c>[rows, 64]</c>; none with none.</param>
/// <param name="FirstToken">The token of the whole vocabulary that is the part's 0.</param>
public readonly record struct ChoicePart(
    DeviceVector<int> Tokens, DeviceVector<float> LogProbs, DeviceVector<float> Maxima, DeviceMatrix<int> CandidateTokens, DeviceMatrix<float> CandidateLogits, int FirstToken)
{
    internal bool HasCandidates => CandidateTokens.Address != 0;

    internal TokenChoice.PartAddresses Addresses => new(Tokens.Address, LogProbs.Address, Maxima.Address, CandidateTokens.Address, CandidateLogits.Address, FirstToken);

    internal void Check(int rows, bool hasCandidates)
    {
        if (Tokens.Length < rows || LogProbs.Length < rows || Maxima.Length < rows)
        {
            throw new ArgumentException($"{rows} rows: the part from token {FirstToken} has {Tokens.Length} tokens, {LogProbs.Length} log-probabilities and {Maxima.Length} maxima.");
        }

        if (HasCandidates != hasCandidates || HasCandidates != (CandidateLogits.Address != 0))
        {
            throw new ArgumentException($"The part from token {FirstToken} has {(HasCandidates ? "" : "no ")}candidates with {(CandidateLogits.Address != 0 ? "" : "no ")}logits, and the first part has {(hasCandidates ? "some" : "none")}: all parts have both or neither.");
        }

        if (HasCandidates && (CandidateTokens.Rows < rows || CandidateLogits.Rows < rows || CandidateTokens.Columns != TopCandidates.MostCount || CandidateLogits.Columns != TopCandidates.MostCount))
        {
            throw new ArgumentException($"{rows} rows: the part from token {FirstToken} has candidates [{CandidateTokens.Rows}, {CandidateTokens.Columns}] with logits [{CandidateLogits.Rows}, {CandidateLogits.Columns}]; there have to be {TopCandidates.MostCount} of each row.");
        }
    }
}
