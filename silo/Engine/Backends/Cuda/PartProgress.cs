namespace Loire.Engine.Backends.Cuda;

/// <summary>Joins the progress of parts that are loaded one after the other.</summary>
internal sealed class PartProgress(IProgress<double>? whole, int parts)
{
    private int _begun;

    /// <summary>Of the next part, 0 to 1.</summary>
    public IProgress<double>? Next() => whole is null ? null : new OfPart(whole, _begun++, parts);

    private sealed class OfPart(IProgress<double> whole, int index, int parts) : IProgress<double>
    {
        public void Report(double value) => whole.Report((index + Math.Min(1, value)) / parts);
    }
}
