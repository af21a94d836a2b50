namespace Loire.Store.Redis;

/// <summary>Lets in as many bytes of blobs as may be on their way at once; who waits too long is told that Redis is slow.</summary>
internal sealed class BlobRoom(RedisContext context)
{
    private readonly InFlightBytes _inFlight = new(context.Options.InFlightBytes);

    /// <exception cref="StoreSlowException">There was no room in time.</exception>
    public async Task<T> WithinAsync<T>(string tried, long bytes, Func<Task<T>> act, CancellationToken cancellationToken)
    {
        long taken;
        try
        {
            taken = await _inFlight.EnterAsync(bytes, context.Options.OperationTimeout, cancellationToken);
        }
        catch (TimeoutException failure)
        {
            throw RedisFaults.Slow(tried, context.Bulk.Address, context.Options.OperationTimeout, failure);
        }

        try
        {
            return await act();
        }
        finally
        {
            _inFlight.Release(taken);
        }
    }
}
