// Pages of keys and values to and from their canonical form: fp32, keys [heads, tokens, headDim], then values in the same order.
#include "Common.cuh"
#include "Pages.cuh"

// The twin of PageBlobs.Parameters.
struct PageBlobsParameters
{
    T* keys;             // [pages, heads, 64, headDim], of one layer
    T* values;
    float* blobs;        // [count, blobStride]
    const int* pages;    // [count]
    i64 blobStride;      // in elements, at least 2 * heads * 64 * headDim
    int heads;
    int headDim;
    int lastTokens;      // of the last page; the others are full
};

// Block: (part of a head, key-value head, page), over keys and values.
LOIRE_DEVICE int tokensOfPage(const PageBlobsParameters& p) { return blockIdx.z + 1 == gridDim.z ? p.lastTokens : kPageTokens; }

LOIRE_KERNEL void __launch_bounds__(256) pages_to_blobs(const PageBlobsParameters p)
{
    waitForPrimary();
    launchDependents();
    const int tokens = tokensOfPage(p);
    const i64 source = pageOffset(p.pages[blockIdx.z], blockIdx.y, 0, p.heads, p.headDim);
    float* keys = p.blobs + blockIdx.z * p.blobStride + static_cast<i64>(blockIdx.y) * tokens * p.headDim;
    float* values = keys + static_cast<i64>(p.heads) * tokens * p.headDim;
    for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < tokens * p.headDim; i += gridDim.x * blockDim.x)
    {
        keys[i] = toFloat(p.keys[source + i]);
        values[i] = toFloat(p.values[source + i]);
    }
}

LOIRE_KERNEL void __launch_bounds__(256) blobs_to_pages(const PageBlobsParameters p)
{
    waitForPrimary();
    launchDependents();
    const int tokens = tokensOfPage(p);
    const i64 target = pageOffset(p.pages[blockIdx.z], blockIdx.y, 0, p.heads, p.headDim);
    const float* keys = p.blobs + blockIdx.z * p.blobStride + static_cast<i64>(blockIdx.y) * tokens * p.headDim;
    const float* values = keys + static_cast<i64>(p.heads) * tokens * p.headDim;
    for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < tokens * p.headDim; i += gridDim.x * blockDim.x)
    {
        store(p.keys + target + i, keys[i]);
        store(p.values + target + i, values[i]);
    }
}

// The twin of StateClear.Parameters.
struct StateClearParameters
{
    float* state;       // of the first layer, at the slot
    i64 layerStride;    // in elements
    i64 length;         // elements of a slot in one layer
};

// Block: (part of a slot, layer).
LOIRE_KERNEL void __launch_bounds__(256) clear_state(const StateClearParameters p)
{
    waitForPrimary();
    launchDependents();
    float* state = p.state + blockIdx.y * p.layerStride;
    for (i64 i = blockIdx.x * static_cast<i64>(blockDim.x) + threadIdx.x; i < p.length; i += static_cast<i64>(gridDim.x) * blockDim.x)
    {
        state[i] = 0.0f;
    }
}
