#include "Common.cuh"

static constexpr int kMaxExperts = 1024;
static constexpr int kThreads = 256;
static constexpr int kWarps = kThreads / kWarp;

// The twin of Router.ChooseParameters.
struct RouterChooseParameters
{
    const float* x;          // [rows, hidden]
    const T* router;         // [experts, hidden]
    const T* coefficient;    // [hidden] of a shared expert; null: there is none
    int* choices;            // [rows, topK]
    float* weights;          // [rows, topK]
    float* sharedWeights;    // [rows]; used only with a shared expert
    float* logits;           // [rows, experts]; null: not wanted
    int rows;
    int hidden;
    int experts;
    int topK;
    int sharedMode;          // 0 none, 1 sigmoid, 2 softmax over one logit, which is 1
};

LOIRE_DEVICE float dotFloat(const float* x, const T* w, int length)
{
    float sum = 0.0f;
    for (int i = threadIdx.x % kWarp; i < length; i += kWarp)
    {
        sum = fmaf(x[i], toFloat(w[i]), sum);
    }

    return warpSum(sum);
}

// The greatest of a warp's values and its index; the lower index among equals.
LOIRE_DEVICE void warpBest(float& value, int& index)
{
#pragma unroll
    for (int distance = kWarp / 2; distance > 0; distance /= 2)
    {
        const float otherValue = __shfl_xor_sync(kAllLanes, value, distance);
        const int otherIndex = __shfl_xor_sync(kAllLanes, index, distance);
        if (otherValue > value || (otherValue == value && otherIndex < index))
        {
            value = otherValue;
            index = otherIndex;
        }
    }
}

// One warp: takes the best topK, at most 32, of logits, which are overwritten, and writes their softmax.
LOIRE_DEVICE void choose(const RouterChooseParameters& p, i64 row, float* logits, float heard)
{
    const int lane = threadIdx.x % kWarp;
    float chosen = -infinity(); // of choice `lane`
    float most = 0.0f;
    for (int choice = 0; choice < p.topK; choice++)
    {
        float best = -infinity();
        int index = p.experts;
        for (int expert = lane; expert < p.experts; expert += kWarp)
        {
            if (logits[expert] > best || index == p.experts)
            {
                best = logits[expert];
                index = expert;
            }
        }

        warpBest(best, index);
        __syncwarp();
        most = choice == 0 ? best : most;
        if (lane == choice)
        {
            chosen = best;
            p.choices[row * p.topK + choice] = index;
            logits[index] = -infinity();
        }

        __syncwarp();
    }

    const float weight = lane < p.topK ? expf(chosen - most) : 0.0f;
    const float sum = warpSum(weight);
    if (lane < p.topK)
    {
        p.weights[row * p.topK + lane] = weight / sum * (1.0f - heard);
    }

    if (lane == 0 && p.sharedMode != 0)
    {
        p.sharedWeights[row] = heard;
    }
}

// One block a row.
LOIRE_KERNEL void __launch_bounds__(kThreads) router_choose(const __grid_constant__ RouterChooseParameters p)
{
    __shared__ float logits[kMaxExperts + 1];
    const i64 row = blockIdx.x;
    const float* x = p.x + row * p.hidden;
    const int warp = threadIdx.x / kWarp;
    const int lane = threadIdx.x % kWarp;
    launchDependents();
    waitForPrimary();
    const int dots = p.experts + (p.sharedMode == 1 ? 1 : 0);
    for (int expert = warp; expert < dots; expert += kWarps)
    {
        const float dot = dotFloat(x, expert < p.experts ? p.router + static_cast<i64>(expert) * p.hidden : p.coefficient, p.hidden);
        if (lane == 0)
        {
            logits[expert] = dot == dot ? dot : -infinity(); // with NaN no expert would be chosen; so the weights are NaN
            if (p.logits && expert < p.experts)
            {
                p.logits[row * p.experts + expert] = dot;
            }
        }
    }

    __syncthreads();
    if (warp == 0)
    {
        const float heard = p.sharedMode == 0 ? 0.0f : p.sharedMode == 2 ? 1.0f : sigmoid(logits[p.experts]);
        choose(p, row, logits, heard);
    }
}

// The twin of Router.GroupParameters.
struct RouterGroupParameters
{
    const int* choices; // [entries]: the expert of entry row * topK + choice
    int* offsets;       // [experts + 1]: where the entries of an expert begin in order
    int* order;         // [entries]: entries by expert, ascending within one
    int entries;
    int experts;
};

// One block an expert: counts the entries of the experts before its own, then writes its own in order.
LOIRE_KERNEL void __launch_bounds__(kThreads) router_group(const __grid_constant__ RouterGroupParameters p)
{
    __shared__ int counts[kWarps];
    __shared__ int before;
    const int expert = blockIdx.x;
    const int warp = threadIdx.x / kWarp;
    const int lane = threadIdx.x % kWarp;
    launchDependents();
    waitForPrimary();

    int less = 0;
    for (int i = threadIdx.x; i < p.entries; i += kThreads)
    {
        less += p.choices[i] < expert ? 1 : 0;
    }

    for (int distance = kWarp / 2; distance > 0; distance /= 2)
    {
        less += __shfl_xor_sync(kAllLanes, less, distance);
    }

    if (lane == 0)
    {
        counts[warp] = less;
    }

    __syncthreads();
    if (threadIdx.x == 0)
    {
        int sum = 0;
        for (int w = 0; w < kWarps; w++)
        {
            sum += counts[w];
        }

        before = sum;
        p.offsets[expert] = sum;
        if (expert == 0)
        {
            p.offsets[p.experts] = p.entries;
        }
    }

    __syncthreads();
    int next = before;
    for (int first = 0; first < p.entries; first += kThreads)
    {
        const int i = first + threadIdx.x;
        const bool isOwn = i < p.entries && p.choices[i] == expert;
        const u32 votes = __ballot_sync(kAllLanes, isOwn);
        if (lane == 0)
        {
            counts[warp] = __popc(votes);
        }

        __syncthreads();
        int at = next + __popc(votes & ((1u << lane) - 1));
        for (int w = 0; w < kWarps; w++)
        {
            at += w < warp ? counts[w] : 0;
            next += counts[w];
        }

        if (isOwn)
        {
            p.order[at] = i;
        }

        __syncthreads();
    }
}
