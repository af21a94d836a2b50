using System.Numerics.Tensors;

namespace Loire.Cli.Verify;

/// <summary>How far computed logits are from a reference's: the relative error over all rows, and whether the best token is the same.</summary>
/// <remarks>A row whose two best reference logits are closer than <see cref="SmallestGap"/> has no say in the second: rounding may flip it.</remarks>
internal sealed class LogitsComparison
{
    public const float SmallestGap = 1e-3f;

    private readonly List<double> _rows = [];
    private double _squaredError;
    private double _squaredReference;

    /// <summary>|out − ref| / |ref|, Frobenius norm over all rows. NaN when any value is.</summary>
    public double RelativeError => Math.Sqrt(_squaredError) / Math.Sqrt(_squaredReference);

    /// <summary>Relative error of the row in the middle: far below the whole, a few rows are off, as where rounding has chosen another expert.</summary>
    public double MedianError => _rows.Count == 0 ? double.NaN : _rows.Order().ElementAt(_rows.Count / 2);

    /// <summary>Rows whose own relative error is above.</summary>
    public int RowsAbove(double tolerance) => _rows.Count(error => !(error <= tolerance));

    public int Rows => _rows.Count;

    /// <summary>Rows whose best token is clear in the reference.</summary>
    public int Clear { get; private set; }

    /// <summary>Those among them with the same best token here.</summary>
    public int Agreeing { get; private set; }

    public void Add(ReadOnlySpan<float> output, ReadOnlySpan<float> reference)
    {
        var distance = TensorPrimitives.Distance(output, reference);
        _squaredError += (double)distance * distance;
        var size = TensorPrimitives.SumOfSquares(reference);
        _squaredReference += size;
        _rows.Add(distance / Math.Sqrt(size));

        var (best, gap) = Best(reference);
        if (gap >= SmallestGap)
        {
            Clear++;
            Agreeing += TensorPrimitives.IndexOfMax(output) == best ? 1 : 0;
        }
    }

    /// <summary>The best token, and how far it is ahead of the second.</summary>
    public static (int Token, float Gap) Best(ReadOnlySpan<float> logits)
    {
        var best = TensorPrimitives.IndexOfMax(logits);
        var second = float.NegativeInfinity;
        for (var token = 0; token < logits.Length; token++)
        {
            second = token == best ? second : MathF.Max(second, logits[token]);
        }

        return (best, logits[best] - second);
    }
}
