using Loire.Actors.Streams;

namespace Orleans.Runtime;

/// <summary>The name under which filters see the pulls of streams.</summary>
public interface IAsyncEnumerableGrainExtension : IAddressable;

/// <summary>Settings of a stream that a grain method returned.</summary>
public static class AsyncEnumerableExtensions
{
    /// <summary>Lets one pull bring at most this many items; the grain runs ahead of its reader by no more.</summary>
    public static IAsyncEnumerable<T> WithBatchSize<T>(this IAsyncEnumerable<T> self, int maxBatchSize)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(maxBatchSize, 1);
        if (self is StreamCall<T> call)
        {
            call.BatchSize = maxBatchSize;
        }

        return self;
    }
}
