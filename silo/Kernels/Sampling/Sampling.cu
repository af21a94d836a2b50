#include "Common.cuh"

static constexpr int kThreads = 256;
static constexpr int kWarps = kThreads / kWarp;

// The twin of Sampling.Parameters.
struct SamplingParameters
{
    const float* logits; // [rows, vocabulary]
    float* maxima;       // [rows, parts]: the greatest of a part
    float* sums;         // [rows, parts]: of exp(logit - the part's greatest)
    int* indices;        // [rows, parts]: of the greatest
    int* tokens;         // [rows]
    float* logProbs;     // [rows], of the token
    float* rowMaxima;    // [rows]: logit of the token; null: not wanted
    int rows;
    int vocabulary;
    int parts;          // at most 32
};

struct Best
{
    float value;
    int index;
    float sum; // of exp(x - value) over what it is the best of; NaN if one of them is. With nothing above -infinity: 0 or NaN
};

// Of two parts together; the lower index among equals.
LOIRE_DEVICE Best better(const Best& a, const Best& b)
{
    const bool isA = a.value > b.value || (a.value == b.value && a.index < b.index);
    Best best = isA ? a : b;
    const Best& other = isA ? b : a;
    // With nothing but -infinity on one side its difference would be no number; it adds 0, or NaN if it has one.
    best.sum += other.value == -infinity() ? other.sum : other.sum * expf(other.value - best.value);
    return best;
}

LOIRE_DEVICE Best warpBest(Best best)
{
#pragma unroll
    for (int distance = kWarp / 2; distance > 0; distance /= 2)
    {
        const Best other = {
            __shfl_xor_sync(kAllLanes, best.value, distance),
            __shfl_xor_sync(kAllLanes, best.index, distance),
            __shfl_xor_sync(kAllLanes, best.sum, distance) };
        best = better(best, other);
    }

    return best;
}

static constexpr int kAtOnce = 8; // loads of a thread that are under way

// Adds logits i, i + kThreads, ... to what a thread has.
LOIRE_DEVICE void add(Best& best, const float* logits, int i, int end)
{
    float values[kAtOnce];
#pragma unroll
    for (int j = 0; j < kAtOnce; j++)
    {
        const int at = i + j * kThreads;
        values[j] = at < end ? logits[at] : -infinity();
    }

    const float before = best.value;
#pragma unroll
    for (int j = 0; j < kAtOnce; j++)
    {
        if (values[j] > best.value)
        {
            best.value = values[j];
            best.index = i + j * kThreads;
        }
    }

    if (best.value > -infinity())
    {
        float sum = before > -infinity() ? best.sum * expf(before - best.value) : best.sum;
#pragma unroll
        for (int j = 0; j < kAtOnce; j++)
        {
            sum += expf(values[j] - best.value); // 0 for -infinity; NaN stays
        }

        best.sum = sum;
        return;
    }

#pragma unroll
    for (int j = 0; j < kAtOnce; j++)
    {
        best.sum = values[j] == values[j] ? best.sum : values[j]; // NaN
    }
}

// Grid: (parts, rows). The greatest of one part of a row, and the sum of its exponentials.
LOIRE_KERNEL void __launch_bounds__(kThreads) greatest_of_parts(const __grid_constant__ SamplingParameters p)
{
    __shared__ Best bests[kWarps];
    const int length = (p.vocabulary + p.parts - 1) / p.parts;
    const int first = blockIdx.x * length;
    const int end = min(first + length, p.vocabulary);
    const float* logits = p.logits + static_cast<i64>(blockIdx.y) * p.vocabulary;
    waitForPrimary();
    launchDependents();

    Best best = { -infinity(), p.vocabulary, 0.0f };
    for (int i = first + threadIdx.x; i < end; i += kAtOnce * kThreads)
    {
        add(best, logits, i, end);
    }

    best = warpBest(best);
    if (threadIdx.x % kWarp == 0)
    {
        bests[threadIdx.x / kWarp] = best;
    }

    __syncthreads();
    if (threadIdx.x == 0)
    {
        for (int warp = 1; warp < kWarps; warp++)
        {
            best = better(best, bests[warp]);
        }

        const i64 at = static_cast<i64>(blockIdx.y) * p.parts + blockIdx.x;
        p.maxima[at] = best.value;
        p.indices[at] = best.index;
        p.sums[at] = best.sum;
    }
}

// One warp a row: joins its parts.
LOIRE_KERNEL void __launch_bounds__(kWarp) greatest_of_row(const __grid_constant__ SamplingParameters p)
{
    const i64 row = blockIdx.x;
    const int lane = threadIdx.x;
    waitForPrimary();
    launchDependents();
    Best best = { -infinity(), p.vocabulary, 0.0f };
    if (lane < p.parts)
    {
        const i64 at = row * p.parts + lane;
        best = { p.maxima[at], p.indices[at], p.sums[at] };
    }

    best = warpBest(best);
    if (lane == 0)
    {
        // With no number among them there is no best: token 0 and a log-probability that says so.
        const bool isFound = best.index < p.vocabulary;
        p.tokens[row] = isFound ? best.index : 0;
        p.logProbs[row] = isFound ? -logf(best.sum) : __int_as_float(0x7fc00000);
        if (p.rowMaxima)
        {
            p.rowMaxima[row] = isFound || best.sum == best.sum ? best.value : best.sum; // -infinity or NaN where there is no best
        }
    }
}
