using Loire.Kernels;

namespace Loire.Gpu.Tests.Kernels;

public sealed class StateTests(Gpu gpu) : IClassFixture<Gpu>
{
    [GpuTheory]
    [InlineData(ElementType.Float32, 2, 24, 64)]
    [InlineData(ElementType.BFloat16, 8, 128, 1)]
    [InlineData(ElementType.BFloat16, 3, 10, 63)]
    public void Pages_become_canonical_blobs_and_pages_again(ElementType type, int heads, int headDim, int lastTokens)
    {
        const int pageCount = 7;
        int[] pages = [5, 0, 3];
        var length = heads * PagedLayer.PageTokens * headDim;
        var keys = ElementBuffer.Kept(Numbers.Normal(1, pageCount * length), type);
        var values = ElementBuffer.Kept(Numbers.Normal(2, pageCount * length), type);
        using var deviceKeys = gpu.Upload(keys, type);
        using var deviceValues = gpu.Upload(values, type);
        using var devicePages = gpu.Upload(pages);
        using var blobs = gpu.Poisoned<float>(pages.Length, (2 * length) + 4);
        using var newKeys = new ElementBuffer(gpu, type, pageCount, length);
        using var newValues = new ElementBuffer(gpu, type, pageCount, length);
        var kernel = new PageBlobs(gpu.Module("PageBlobs", type));

        kernel.EnqueueExport(gpu.Stream, new PagedLayer(deviceKeys.Address, deviceValues.Address, heads, headDim), devicePages.Vector, blobs.Matrix, lastTokens);
        kernel.EnqueueImport(gpu.Stream, new PagedLayer(newKeys.Address, newValues.Address, heads, headDim), devicePages.Vector, blobs.Matrix, lastTokens);

        var written = blobs.Download();
        var (importedKeys, importedValues) = (newKeys.Download(), newValues.Download());
        for (var i = 0; i < pages.Length; i++)
        {
            var tokens = i == pages.Length - 1 ? lastTokens : PagedLayer.PageTokens;
            var blob = written.AsSpan(i * ((2 * length) + 4));
            Assert.Equal(Canonical(keys, pages[i], heads, tokens, headDim), blob[..(heads * tokens * headDim)].ToArray());
            Assert.Equal(Canonical(values, pages[i], heads, tokens, headDim), blob.Slice(heads * tokens * headDim, heads * tokens * headDim).ToArray());
            Assert.Equal(Canonical(keys, pages[i], heads, tokens, headDim), Canonical(importedKeys, pages[i], heads, tokens, headDim));
            Assert.Equal(Canonical(values, pages[i], heads, tokens, headDim), Canonical(importedValues, pages[i], heads, tokens, headDim));
        }

        var kept = (((pages.Length - 1) * PagedLayer.PageTokens) + lastTokens) * heads * headDim;
        Assert.Equal(kept, importedKeys.Count(value => !float.IsNaN(value)));
    }

    [GpuFact]
    public void A_slot_is_cleared_in_every_layer_and_its_neighbours_are_not()
    {
        const int layers = 3;
        const int slots = 4;
        const int length = 1000;
        using var state = gpu.Upload(Enumerable.Repeat(1f, layers * slots * length).ToArray());

        new StateClear(gpu.Module("PageBlobs", ElementType.BFloat16)).Enqueue(gpu.Stream, state.Vector.Slice(2 * length, length), slots * length, layers);

        var found = state.Download();
        for (var i = 0; i < found.Length; i++)
        {
            Assert.Equal(i / length % slots == 2 ? 0f : 1f, found[i]);
        }
    }

    private static float[] Canonical(float[] pages, int page, int heads, int tokens, int headDim) =>
    [
        .. Enumerable.Range(0, heads).SelectMany(head =>
            pages.AsSpan(((page * heads) + head) * PagedLayer.PageTokens * headDim, tokens * headDim).ToArray()),
    ];
}
