// Causal softmax attention over pages, any shape: one row and head a block, keys one after the other.
#include "Common.cuh"
#include "Pages.cuh"

// The twin of AttentionRows.Parameters.
struct AttentionRowsParameters
{
    const T* queries;          // [rows, queryStride], turned
    const T* keys;             // [pages, keyValueHeads, 64, headDim], turned
    const T* values;
    T* output;                 // [rows, heads * headDim]
    const int* positions;      // [rows]
    const int* sequenceOfRow;  // [rows]
    const int* pageTable;      // [sequences, pageStride]
    i64 queryStride;
    i64 pageStride;
    int heads;
    int keyValueHeads;
    int headDim;               // at most 256
    float scale;
};

static constexpr int kMostPerLane = 8; // channels
static constexpr int kRowWarps = 4;

// Block: (head, row). Each warp takes every fourth token with a running maximum of its own; at the end they are brought together.
LOIRE_KERNEL void __launch_bounds__(kRowWarps * kWarp) attention_rows(const AttentionRowsParameters p)
{
    waitForPrimary();
    launchDependents();
    __shared__ float maxima[kRowWarps];
    __shared__ float sums[kRowWarps];
    __shared__ float partial[kRowWarps][kMostPerLane * kWarp];
    const int d = p.headDim;
    const int head = blockIdx.x;
    const int row = blockIdx.y;
    const int keyHead = head / (p.heads / p.keyValueHeads);
    const int lane = threadIdx.x % kWarp;
    const int warp = threadIdx.x / kWarp;
    const int position = p.positions[row];
    const int* pages = p.pageTable + p.sequenceOfRow[row] * p.pageStride;
    float q[kMostPerLane];
    float sum[kMostPerLane];
    for (int j = 0; j < kMostPerLane; j++)
    {
        const int c = lane + j * kWarp;
        q[j] = c < d ? toFloat(p.queries[row * p.queryStride + static_cast<i64>(head) * d + c]) * p.scale : 0.0f;
        sum[j] = 0.0f;
    }

    float maximum = -infinity();
    float weights = 0.0f;
    for (int token = warp; token <= position; token += kRowWarps)
    {
        const i64 offset = pageOffset(pages[token / kPageTokens], keyHead, token % kPageTokens, p.keyValueHeads, d);
        float dot = 0.0f;
        for (int j = 0; j < kMostPerLane; j++)
        {
            const int c = lane + j * kWarp;
            dot = c < d ? fmaf(q[j], toFloat(p.keys[offset + c]), dot) : dot;
        }

        dot = warpSum(dot);
        const float most = fmaxf(maximum, dot);
        const float kept = expf(maximum - most);
        const float weight = expf(dot - most);
        maximum = most;
        weights = weights * kept + weight;
        for (int j = 0; j < kMostPerLane; j++)
        {
            const int c = lane + j * kWarp;
            sum[j] = c < d ? fmaf(weight, toFloat(p.values[offset + c]), sum[j] * kept) : 0.0f;
        }
    }

    for (int j = 0; j < kMostPerLane; j++)
    {
        partial[warp][lane + j * kWarp] = sum[j];
    }

    maxima[warp] = maximum;
    sums[warp] = weights;
    __syncthreads();
    float most = maxima[0];
    for (int w = 1; w < kRowWarps; w++)
    {
        most = fmaxf(most, maxima[w]);
    }

    float total = 0.0f;
    for (int w = 0; w < kRowWarps; w++)
    {
        total += sums[w] * expf(maxima[w] - most); // a warp without tokens has e^-infinity
    }

    for (int c = threadIdx.x; c < d; c += blockDim.x)
    {
        float value = 0.0f;
        for (int w = 0; w < kRowWarps; w++)
        {
            value = fmaf(partial[w][c], expf(maxima[w] - most), value);
        }

        store(p.output + (static_cast<i64>(row) * p.heads + head) * d + c, value / total);
    }
}
