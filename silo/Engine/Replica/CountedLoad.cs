namespace Loire.Engine.Replica;

/// <summary>Tokens by expert, as something counts them that may go away: read anew as long as that is there, and afterwards as they were at the end.</summary>
/// <remarks>Any thread; one reads at a time, and <see cref="Dispose"/> waits for it.</remarks>
/// <param name="experts">Count.</param>
/// <param name="tryRead">Fills in the counts of all experts, or leaves them as they are and returns false. Not called once this is disposed.</param>
internal sealed class CountedLoad(int experts, Func<long[], bool> tryRead) : IDisposable
{
    private readonly Lock _gate = new();
    private readonly long[] _counts = new long[experts];
    private Func<long[], bool>? _tryRead = tryRead;

    /// <param name="firstExpert">Whose count comes first.</param>
    /// <param name="tokensByExpert">So many experts.</param>
    public void CopyTo(int firstExpert, Span<long> tokensByExpert)
    {
        lock (_gate)
        {
            _tryRead?.Invoke(_counts);
            _counts.AsSpan(firstExpert, tokensByExpert.Length).CopyTo(tokensByExpert);
        }
    }

    /// <summary>Reads for the last time, before what counts is freed.</summary>
    public void Dispose()
    {
        lock (_gate)
        {
            _tryRead?.Invoke(_counts);
            _tryRead = null;
        }
    }
}
