using Loire.Silo.Replicas;

namespace Loire.Host.Tests;

public sealed class BlobBatchesTests
{
    [Fact]
    public void Batches_keep_the_order_and_hold_4_MiB_or_one_larger_blob()
    {
        const int MiB = 1 << 20;
        int[] blobs = [MiB, 3 * MiB, 1, 9 * MiB, 2 * MiB, 2 * MiB, 1];

        var batches = BlobBatches.Cut(blobs, static bytes => bytes);

        Assert.Equal([[MiB, 3 * MiB], [1], [9 * MiB], [2 * MiB, 2 * MiB], [1]], batches);
        Assert.Empty(BlobBatches.Cut(Array.Empty<int>(), static bytes => bytes));
    }
}
