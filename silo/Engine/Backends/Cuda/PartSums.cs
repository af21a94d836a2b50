using Loire.Engine.Backends.Cuda.Weights;
using Loire.Kernels;

namespace Loire.Engine.Backends.Cuda;

/// <summary>Gives what one part of a stage adds to the stream to all parts of it: each adds the same terms in the same order, so all have the same bits.</summary>
internal sealed class PartSums
{
    private readonly CudaPart _part;
    private readonly SumBuffers _own;
    private readonly PartialTargets _mixer;
    private readonly PartialTargets _feedForward;
    private readonly int _parts;
    private readonly int _hidden;

    /// <param name="part">Whose sums they are.</param>
    /// <param name="parts">All of the stage, in the order in which they are added; each reaches the memory of the others.</param>
    /// <param name="hidden">Of a row.</param>
    public PartSums(CudaPart part, IReadOnlyList<CudaPart> parts, int hidden)
    {
        _part = part;
        _own = part.Sums!; // a part of several has them
        _parts = parts.Count;
        _hidden = hidden;
        var index = part.Range.Share.Index;
        ulong[] squares = [.. parts.Select(one => one.Sums!.Squares)];
        _mixer = new PartialTargets([.. parts.Select(one => one.Sums!.OfMixer)], squares, index, parts.Count);
        _feedForward = new PartialTargets([.. parts.Select(one => one.Sums!.OfFeedForward)], squares, index, parts.Count);
    }

    /// <param name="lightning">Whose norm is still to be applied; null: another mixer.</param>
    /// <param name="rows">Of the step.</param>
    /// <returns>The sum over all parts.</returns>
    public NormInput OfMixer(LightningWeights? lightning, int rows)
    {
        _part.Kernels.Sums.Enqueue(_part.Stream, new PartialTerms
        {
            Terms = _part.Buffers.Projected,
            Choices = 1,
            Squares = lightning is null ? 0 : _part.Buffers.MixedSquares,
            Rows = rows,
            Hidden = _hidden,
        }, _mixer);
        var sum = new NormInput { Terms = _own.OfMixer, Choices = _parts };
        return lightning is null ? sum : sum with { Squares = _own.Squares, SquaresWidth = lightning.TotalWidth, SquaresEpsilon = lightning.Spec.NormEpsilon };
    }

    /// <param name="weights">Of the layer.</param>
    /// <param name="terms">Of the experts, of which some are here.</param>
    /// <param name="rows">Of the step.</param>
    /// <returns>The sum over all parts.</returns>
    public NormInput OfFeedForward(FeedForwardWeights weights, in NormInput terms, int rows)
    {
        var isMixture = weights.Mixture is not null;
        _part.Kernels.Sums.Enqueue(_part.Stream, new PartialTerms
        {
            Terms = terms.Terms,
            Choices = terms.Choices,
            Weights = terms.TermWeights,
            Chosen = isMixture ? _part.Buffers.Chosen : 0,
            FirstExpert = weights.Experts.First,
            EndExpert = weights.Experts.First + weights.Experts.Count,
            Shared = terms.Shared,
            SharedWeights = terms.SharedWeights,
            Rows = rows,
            Hidden = _hidden,
        }, _feedForward);
        return new NormInput { Terms = _own.OfFeedForward, Choices = _parts };
    }
}
