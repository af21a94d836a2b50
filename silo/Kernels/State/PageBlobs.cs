using System.Runtime.InteropServices;
using Loire.Cuda;

namespace Loire.Kernels;

/// <summary>Pages of keys and values to and from their canonical blobs: fp32, keys <c>[heads, tokens, headDim]</c>, then values in the same order.</summary>
/// <remarks>
/// <para>One launch for any number of pages of a layer; a copy between host and device is then one transfer. All pages are full but, where it is asked for, the last.</para>
/// <para>bf16 to fp32 is exact; fp32 to bf16 rounds once, and gives back what it was made from. Cost: each element once in and once out; bound by memory.</para>
/// </remarks>
/// <param name="module">Compiled from <c>PageBlobs.cu</c>.</param>
public sealed class PageBlobs(CudaModule module)
{
    private const int Threads = 256;
    private const int ElementsPerThread = 8;

    private readonly CudaFunction<Parameters> _export = module.Function<Parameters>("pages_to_blobs");
    private readonly CudaFunction<Parameters> _import = module.Function<Parameters>("blobs_to_pages");

    /// <summary>Elements of the blob of a full page.</summary>
    public static long BlobLength(in PagedLayer layer) => 2 * layer.PageLength;

    /// <param name="stream">To run on.</param>
    /// <param name="layer">Read.</param>
    /// <param name="pages">Page numbers, on the device; at most 65,535.</param>
    /// <param name="blobs">A row a page, each at least <see cref="BlobLength"/> wide; a shorter last page fills the beginning of its row.</param>
    /// <param name="lastTokens">Tokens of the last page, 1 to 64.</param>
    public void EnqueueExport(CudaStream stream, in PagedLayer layer, DeviceVector<int> pages, DeviceMatrix<float> blobs, int lastTokens) =>
        Enqueue(_export, stream, layer, pages, blobs, lastTokens);

    /// <summary>The reverse of <see cref="EnqueueExport"/>.</summary>
    public void EnqueueImport(CudaStream stream, in PagedLayer layer, DeviceVector<int> pages, DeviceMatrix<float> blobs, int lastTokens) =>
        Enqueue(_import, stream, layer, pages, blobs, lastTokens);

    private static void Enqueue(CudaFunction<Parameters> function, CudaStream stream, in PagedLayer layer, DeviceVector<int> pages, DeviceMatrix<float> blobs, int lastTokens)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(lastTokens, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(lastTokens, PagedLayer.PageTokens);
        if (blobs.Rows < pages.Length || blobs.Columns < BlobLength(layer))
        {
            throw new ArgumentException($"Blobs of {pages.Length} pages need rows of {BlobLength(layer)} numbers; there are {blobs.Rows} of {blobs.Columns}.", nameof(blobs));
        }

        if (pages.Length == 0)
        {
            return;
        }

        var parts = Math.Max(1, PagedLayer.PageTokens * layer.HeadDim / (Threads * ElementsPerThread));
        function.Launch(
            stream,
            new LaunchGrid(parts, layer.Heads, checked((int)pages.Length), Threads),
            new Parameters(layer.Keys, layer.Values, blobs.Address, pages.Address, blobs.Columns, layer.Heads, layer.HeadDim, lastTokens));
    }

    /// <summary>Field for field the <c>PageBlobsParameters</c> of PageBlobs.cu.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public readonly record struct Parameters(ulong Keys, ulong Values, ulong Blobs, ulong Pages, long BlobStride, int Heads, int HeadDim, int LastTokens);
}
