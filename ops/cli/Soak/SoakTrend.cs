namespace Loire.Cli.Soak;

/// <summary>How a series went over time: the straight line that fits it best, and how sure that is.</summary>
/// <param name="Mean">Of the samples.</param>
/// <param name="Growth">What the line rises by over the time that was looked at.</param>
/// <param name="Error">Standard error of <paramref name="Growth"/>.</param>
internal readonly record struct SoakTrend(double Mean, double Growth, double Error)
{
    /// <summary>Fewer say nothing about a trend and its error.</summary>
    public const int FewestSamples = 8;

    /// <summary>Least squares. Samples that follow each other are alike, as what is in use goes up and down slowly, so the error is widened by how alike they are.</summary>
    /// <param name="points">Time in seconds, and value; in order of time.</param>
    /// <exception cref="ArgumentException">There are too few.</exception>
    public static SoakTrend Of(IReadOnlyList<(double Seconds, double Value)> points)
    {
        if (points.Count < FewestSamples)
        {
            throw new ArgumentException($"There are {points.Count} samples; {FewestSamples} at least are needed for a trend.", nameof(points));
        }

        var (middle, mean) = (points.Average(point => point.Seconds), points.Average(point => point.Value));
        var spread = points.Sum(point => (point.Seconds - middle) * (point.Seconds - middle));
        var slope = points.Sum(point => (point.Seconds - middle) * (point.Value - mean)) / spread;
        double[] rest = [.. points.Select(point => point.Value - mean - (slope * (point.Seconds - middle)))];
        var squares = rest.Sum(value => value * value);
        var error = Math.Sqrt(squares / (points.Count - 2) / spread);
        var length = points[^1].Seconds - points[0].Seconds;
        return new SoakTrend(mean, slope * length, error * Widening(rest, squares) * length);
    }

    /// <summary>At least 1: that samples repel each other is never believed.</summary>
    private static double Widening(double[] rest, double squares)
    {
        const double MostAlike = 0.95; // beyond, there is about one independent sample
        var alike = squares == 0 ? 0 : Math.Clamp(rest.Zip(rest.Skip(1), (a, b) => a * b).Sum() / squares, 0, MostAlike);
        return Math.Sqrt((1 + alike) / (1 - alike));
    }
}
