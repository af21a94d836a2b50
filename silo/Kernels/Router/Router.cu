#include "Common.cuh"

static constexpr int kThreads = 256;
static constexpr int kWarps = kThreads / kWarp;

// The twin of Router.ChooseParameters.
struct RouterChooseParameters
{
    const float* x;           // [rows, hidden]
    const T* router;          // [experts, hidden]
    const T* coefficient;     // [hidden], of a shared expert with a sigmoid
    float* logits;            // [parts, rows, columns]: of the experts, then of a shared expert with a sigmoid; the parts are added up
    int* choices;             // [rows, topK]
    float* weights;           // [rows, topK]
    float* sharedWeights;     // [rows]; used only with a shared expert
    int* offsets;             // as of RouterGroupParameters; used only by choose_and_group
    int* order;
    int* arrivals;            // one count, 0 before and after; used only by router_few
    u64* load;                // [experts]: one more for each choice of a row that is a sequence's; null: nothing is counted
    const int* sequenceOfRow; // [rows]; this and slot are used only with load
    const int* slot;          // [sequences]
    int rows;
    int hidden;
    int experts;
    int columns;
    int topK;
    int parts;                // of hidden, so that some hundred rows fill the device
    int sharedMode;           // 0 none, 1 sigmoid, 2 softmax over one logit, which is 1
    int spareSlot;            // of rows that are nobody's
};

static constexpr int kLogitRows = 4;
static constexpr int kLogitColumns = 4;

LOIRE_DEVICE void load8(const float* address, float (&values)[8])
{
    const float4 low = reinterpret_cast<const float4*>(address)[0];
    const float4 high = reinterpret_cast<const float4*>(address)[1];
    values[0] = low.x;
    values[1] = low.y;
    values[2] = low.z;
    values[3] = low.w;
    values[4] = high.x;
    values[5] = high.y;
    values[6] = high.z;
    values[7] = high.w;
}

LOIRE_DEVICE void load8(const bf16* address, float (&values)[8]) { unpack8(*reinterpret_cast<const uint4*>(address), values); }

// One warp: four rows of w with four of x, elements [first, end). The order of a sum depends on these alone.
LOIRE_DEVICE void dots(const float* const (&x)[kLogitRows], const T* const (&w)[kLogitColumns], int length, int first, int end, float (&sums)[kLogitColumns][kLogitRows])
{
    const int lane = threadIdx.x % kWarp;
    const bool isWide = length % 8 == 0; // rows begin at multiples of 16 bytes then
    for (int i = isWide ? first + lane * 8 : end; i < end; i += kWarp * 8)
    {
        float values[kLogitRows][8];
#pragma unroll
        for (int r = 0; r < kLogitRows; r++)
        {
            load8(x[r] + i, values[r]);
        }

#pragma unroll
        for (int c = 0; c < kLogitColumns; c++)
        {
            float weights[8];
            load8(w[c] + i, weights);
#pragma unroll
            for (int r = 0; r < kLogitRows; r++)
            {
#pragma unroll
                for (int j = 0; j < 8; j++)
                {
                    sums[c][r] = fmaf(values[r][j], weights[j], sums[c][r]);
                }
            }
        }
    }

    for (int i = isWide ? end : first + lane; i < end; i += kWarp)
    {
#pragma unroll
        for (int c = 0; c < kLogitColumns; c++)
        {
#pragma unroll
            for (int r = 0; r < kLogitRows; r++)
            {
                sums[c][r] = fmaf(x[r][i], toFloat(w[c][i]), sums[c][r]);
            }
        }
    }

#pragma unroll
    for (int c = 0; c < kLogitColumns; c++)
    {
#pragma unroll
        for (int r = 0; r < kLogitRows; r++)
        {
            sums[c][r] = warpSum(sums[c][r]);
        }
    }
}

LOIRE_DEVICE const T* columnOf(const RouterChooseParameters& p, int column)
{
    return column < p.experts ? p.router + static_cast<i64>(column) * p.hidden : p.coefficient;
}

LOIRE_DEVICE void computeLogits(const RouterChooseParameters& p)
{
    const int firstColumn = (blockIdx.x * kWarps + threadIdx.x / kWarp) * kLogitColumns;
    const int firstRow = blockIdx.y * kLogitRows;
    if (firstColumn >= p.columns)
    {
        return;
    }

    const float* x[kLogitRows];
    const T* w[kLogitColumns];
    float sums[kLogitColumns][kLogitRows];
#pragma unroll
    for (int r = 0; r < kLogitRows; r++)
    {
        x[r] = p.x + static_cast<i64>(min(firstRow + r, p.rows - 1)) * p.hidden;
#pragma unroll
        for (int c = 0; c < kLogitColumns; c++)
        {
            sums[c][r] = 0.0f;
        }
    }

#pragma unroll
    for (int c = 0; c < kLogitColumns; c++)
    {
        w[c] = columnOf(p, min(firstColumn + c, p.columns - 1));
    }

    const int step = kWarp * 8;
    const int length = ((p.hidden + step - 1) / step + p.parts - 1) / p.parts * step; // of a part, in whole steps of a warp
    const int first = blockIdx.z * length;
    dots(x, w, p.hidden, first, min(first + length, p.hidden), sums);
    float* logits = p.logits + static_cast<i64>(blockIdx.z) * p.rows * p.columns;
    const int lane = threadIdx.x % kWarp;
#pragma unroll
    for (int c = 0; c < kLogitColumns; c++)
    {
#pragma unroll
        for (int r = 0; r < kLogitRows; r++)
        {
            if (lane == c * kLogitRows + r && firstColumn + c < p.columns && firstRow + r < p.rows)
            {
                logits[static_cast<i64>(firstRow + r) * p.columns + firstColumn + c] = sums[c][r];
            }
        }
    }
}

// Grid: (columns, kLogitColumns a warp; rows, kLogitRows a warp; parts).
LOIRE_KERNEL void __launch_bounds__(kThreads) router_logits(const __grid_constant__ RouterChooseParameters p)
{
    waitForPrimary();
    launchDependents();
    computeLogits(p);
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

// Whether a comes before b: the greater logit, the lower expert among equals.
LOIRE_DEVICE bool isBefore(float a, int expert, float b, int other) { return a > b || (a == b && expert < other); }

// The sum of the parts of a logit, which other blocks may have written.
LOIRE_DEVICE float logitAt(const RouterChooseParameters& p, i64 row, int column)
{
    const float* at = p.logits + row * p.columns + column;
    float sum = 0.0f;
#pragma unroll 4
    for (int part = 0; part < p.parts; part++)
    {
        sum += loadShared(at + part * (static_cast<i64>(p.rows) * p.columns));
    }

    return sum;
}

// One warp: the best topK, at most 32, of a row and their softmax. Each is found among those that come after the one before.
// kept: a second place for the choices; null: none.
LOIRE_DEVICE void choose(const RouterChooseParameters& p, i64 row, int* kept)
{
    const int lane = threadIdx.x % kWarp;
    const int sequence = p.load ? p.sequenceOfRow[row] : 0; // on its way beside the logits
    const float own = logitAt(p, row, min(lane, p.experts - 1));
    const int slot = p.load ? p.slot[sequence] : 0; // and this beside the choices: compared at the end, so that nothing waits for it
    float chosen = -infinity(); // of choice `lane`
    int chosenExpert = 0;
    float most = 0.0f;
    float last = infinity();
    int lastExpert = -1;
    for (int choice = 0; choice < p.topK; choice++)
    {
        float best = -infinity();
        int index = p.experts;
        for (int expert = lane; expert < p.experts; expert += kWarp)
        {
            // With NaN no expert would be chosen; as the least it is, and makes the weights NaN.
            const float read = expert == lane ? own : logitAt(p, row, expert);
            const float logit = read == read ? read : -infinity();
            if (isBefore(last, lastExpert, logit, expert) && isBefore(logit, expert, best, index))
            {
                best = logit;
                index = expert;
            }
        }

        warpBest(best, index);
        last = best;
        lastExpert = index;
        most = choice == 0 ? best : most;
        if (lane == choice)
        {
            chosen = best;
            chosenExpert = index;
            p.choices[row * p.topK + choice] = index;
            if (kept)
            {
                kept[row * p.topK + choice] = index;
            }
        }
    }

    const float heard = p.sharedMode == 0 ? 0.0f : p.sharedMode == 2 ? 1.0f : sigmoid(logitAt(p, row, p.experts));
    const float weight = lane < p.topK ? expf(chosen - most) : 0.0f;
    const float sum = warpSum(weight);
    if (lane < p.topK)
    {
        p.weights[row * p.topK + lane] = weight / sum * (1.0f - heard);
        if (p.load && slot != p.spareSlot)
        {
            atomicAdd(p.load + chosenExpert, 1ull); // nobody waits for what was there
        }
    }

    if (lane == 0 && p.sharedMode != 0)
    {
        p.sharedWeights[row] = heard;
    }
}

// A warp a row.
LOIRE_KERNEL void __launch_bounds__(kThreads) router_choose(const __grid_constant__ RouterChooseParameters p)
{
    const i64 row = static_cast<i64>(blockIdx.x) * kWarps + threadIdx.x / kWarp;
    waitForPrimary();
    launchDependents();
    if (row < p.rows)
    {
        choose(p, row, nullptr);
    }
}

static constexpr int kFewEntries = 1024;

// The block chooses for all rows, then sorts the entries by expert, a warp an expert. kept: kFewEntries in shared memory.
LOIRE_DEVICE void chooseAndGroup(const RouterChooseParameters& p, int* kept)
{
    const int warp = threadIdx.x / kWarp;
    const int lane = threadIdx.x % kWarp;
    const int warps = blockDim.x / kWarp;
    const int entries = p.rows * p.topK;
    for (int row = warp; row < p.rows; row += warps)
    {
        choose(p, row, kept);
    }

    __syncthreads();
    for (int expert = warp; expert < p.experts; expert += warps)
    {
        int before = 0;
        for (int first = 0; first < entries; first += kWarp)
        {
            const int i = first + lane;
            before += __popc(__ballot_sync(kAllLanes, i < entries && kept[i] < expert));
        }

        if (lane == 0)
        {
            p.offsets[expert] = before;
            p.offsets[p.experts] = entries; // the same by all
        }

        for (int first = 0; first < entries; first += kWarp)
        {
            const int i = first + lane;
            const bool isOwn = i < entries && kept[i] == expert;
            const u32 votes = __ballot_sync(kAllLanes, isOwn);
            if (isOwn)
            {
                p.order[before + __popc(votes & ((1u << lane) - 1))] = i;
            }

            before += __popc(votes);
        }
    }
}

// One block, some hundred rows at most.
LOIRE_KERNEL void __launch_bounds__(1024) router_choose_and_group(const __grid_constant__ RouterChooseParameters p)
{
    __shared__ int kept[kFewEntries];
    waitForPrimary();
    launchDependents();
    chooseAndGroup(p, kept);
}

// The whole block: one row of w with one of x.
LOIRE_DEVICE float blockDot(const float* x, const T* w, int length, float* scratch)
{
    float sum = 0.0f;
    const int wide = length % 8 == 0 ? length : 0; // rows begin at multiples of 16 bytes then
#pragma unroll 4
    for (int i = threadIdx.x * 8; i < wide; i += kThreads * 8)
    {
        float weights[8];
        float values[8];
        load8(w + i, weights);
        load8(x + i, values);
#pragma unroll
        for (int j = 0; j < 8; j++)
        {
            sum = fmaf(values[j], weights[j], sum);
        }
    }

    for (int i = wide + threadIdx.x; i < length; i += kThreads)
    {
        sum = fmaf(x[i], toFloat(w[i]), sum);
    }

    return blockSum(sum, scratch);
}

// A few rows, all in one launch: a block for each logit, and the last one to arrive has all of them before it. Grid: (columns, rows).
LOIRE_KERNEL void __launch_bounds__(kThreads) router_few(const __grid_constant__ RouterChooseParameters p)
{
    __shared__ float scratch[kWarp];
    __shared__ int kept[kFewEntries];
    __shared__ int isLast;
    const int column = blockIdx.x;
    waitForPrimary();
    launchDependents();
    const float logit = blockDot(p.x + static_cast<i64>(blockIdx.y) * p.hidden, columnOf(p, column), p.hidden, scratch);
    if (threadIdx.x == 0)
    {
        p.logits[static_cast<i64>(blockIdx.y) * p.columns + column] = logit;
        __threadfence();
        isLast = atomicAdd(p.arrivals, 1) == static_cast<int>(gridDim.x * gridDim.y) - 1;
    }

    __syncthreads();
    if (isLast)
    {
        __threadfence();
        chooseAndGroup(p, kept);
        if (threadIdx.x == 0)
        {
            *p.arrivals = 0;
        }
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
    waitForPrimary();
    launchDependents();

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
