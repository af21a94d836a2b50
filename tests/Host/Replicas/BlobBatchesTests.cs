using Loire.Silo.Replicas;

namespace Loire.Host.Tests;

public sealed class BlobBatchesTests
{
    [Fact]
    public void Batches_keep_the_order_and_hold_1_MiB_or_one_larger_blob()
    {
        const int KiB = 1 << 10;
        int[] blobs = [256 * KiB, 768 * KiB, 1, 9 << 20, 512 * KiB, 512 * KiB, 1];

        var batches = BlobBatches.Cut(blobs, static bytes => bytes);

        Assert.Equal([[256 * KiB, 768 * KiB], [1], [9 << 20], [512 * KiB, 512 * KiB], [1]], batches);
        Assert.Empty(BlobBatches.Cut(Array.Empty<int>(), static bytes => bytes));
    }
}
