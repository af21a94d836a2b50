#include "Common.cuh"

static constexpr int kThreads = 256;
static constexpr int kWarps = kThreads / kWarp;
static constexpr int kDigits = 256;

// The twin of TopCandidates.Parameters.
struct TopParameters
{
    const float* logits;  // [rows, vocabulary]
    float* partLogits;    // [rows, parts, count]
    int* partTokens;      // [rows, parts, count]
    float* bestLogits;    // [rows, count], best first
    int* bestTokens;      // [rows, count]
    int rows;
    int vocabulary;
    int parts;
    int count;            // at most 64
};

// Orders as the number does; NaN is below all.
LOIRE_DEVICE u32 keyOf(float value)
{
    const u32 bits = static_cast<u32>(__float_as_int(value));
    return value != value ? 0 : bits & 0x80000000u ? ~bits : bits | 0x80000000u;
}

struct Selection
{
    int histogram[kDigits];
    int warpSums[kWarps];
    u32 prefix;   // digits of the least selected key that are known
    int wanted;   // how many of those with the prefix
    int above[kWarps];
    int equal[kWarps];

    // The key of the count-th greatest of the keys, and how many equal to it are among the greatest. For the whole block.
    LOIRE_DEVICE void find(const u32* keys, int length, int count)
    {
        if (threadIdx.x == 0)
        {
            prefix = 0;
            wanted = count;
        }

        for (int shift = 24; shift >= 0; shift -= 8)
        {
            histogram[threadIdx.x] = 0;
            __syncthreads();
            const u32 mask = shift == 24 ? 0 : 0xffffffffu << (shift + 8);
            for (int i = threadIdx.x; i < length; i += kThreads)
            {
                if ((keys[i] & mask) == prefix)
                {
                    atomicAdd(&histogram[(keys[i] >> shift) & 0xff], 1);
                }
            }

            __syncthreads();
            narrow(shift);
            __syncthreads();
        }
    }

    // Thread t looks at digit 255 - t: the one at which the counts from the top reach what is wanted takes the place of the last.
    LOIRE_DEVICE void narrow(int shift)
    {
        const int lane = threadIdx.x % kWarp;
        const int warp = threadIdx.x / kWarp;
        const int own = histogram[kDigits - 1 - threadIdx.x];
        const int goal = wanted;
        int sum = own;
#pragma unroll
        for (int distance = 1; distance < kWarp; distance *= 2)
        {
            const int other = __shfl_up_sync(kAllLanes, sum, distance);
            sum += lane >= distance ? other : 0;
        }

        if (lane == kWarp - 1)
        {
            warpSums[warp] = sum;
        }

        __syncthreads();
        for (int before = 0; before < warp; before++)
        {
            sum += warpSums[before];
        }

        if (sum >= goal && sum - own < goal)
        {
            prefix |= static_cast<u32>(kDigits - 1 - threadIdx.x) << shift;
            wanted = goal - (sum - own);
        }
    }

    // Calls take(place, i) for the count greatest of length keys, in the order of i: first those above the least, then equals.
    template <typename Take>
    LOIRE_DEVICE void select(const u32* keys, int length, int count, const Take& take)
    {
        find(keys, length, count);
        const u32 least = prefix;
        int nextEqual = count - wanted;
        int nextAbove = 0;
        const int lane = threadIdx.x % kWarp;
        const int warp = threadIdx.x / kWarp;
        for (int first = 0; first < length; first += kThreads)
        {
            const int i = first + threadIdx.x;
            const bool isAbove = i < length && keys[i] > least;
            const bool isEqual = i < length && keys[i] == least;
            const u32 aboves = __ballot_sync(kAllLanes, isAbove);
            const u32 equals = __ballot_sync(kAllLanes, isEqual);
            if (lane == 0)
            {
                above[warp] = __popc(aboves);
                equal[warp] = __popc(equals);
            }

            __syncthreads();
            const u32 below = (1u << lane) - 1;
            int atAbove = nextAbove + __popc(aboves & below);
            int atEqual = nextEqual + __popc(equals & below);
            for (int w = 0; w < kWarps; w++)
            {
                atAbove += w < warp ? above[w] : 0;
                atEqual += w < warp ? equal[w] : 0;
                nextAbove += above[w];
                nextEqual += equal[w];
            }

            if (isAbove)
            {
                take(atAbove, i);
            }
            else if (isEqual && atEqual < count)
            {
                take(atEqual, i);
            }

            __syncthreads();
        }
    }
};

// Grid: (parts, rows). The greatest of a part of a row, unsorted. Dynamic shared memory: a word for each of the part.
LOIRE_KERNEL void __launch_bounds__(kThreads) top_of_parts(const __grid_constant__ TopParameters p)
{
    __shared__ Selection selection;
    u32* keys = reinterpret_cast<u32*>(dynamicShared());
    const int length = (p.vocabulary + p.parts - 1) / p.parts;
    const int first = blockIdx.x * length;
    const int own = max(0, min(length, p.vocabulary - first));
    const float* logits = p.logits + static_cast<i64>(blockIdx.y) * p.vocabulary + first;
    const i64 out = (static_cast<i64>(blockIdx.y) * p.parts + blockIdx.x) * p.count;
    waitForPrimary();
    launchDependents();
    for (int i = threadIdx.x; i < own; i += kThreads)
    {
        keys[i] = keyOf(logits[i]);
    }

    const int count = min(p.count, own);
    for (int i = count + threadIdx.x; i < p.count; i += kThreads)
    {
        p.partLogits[out + i] = -infinity();
        p.partTokens[out + i] = -1;
    }

    __syncthreads();
    if (count > 0)
    {
        selection.select(keys, own, count, [&](int place, int i)
        {
            p.partLogits[out + place] = logits[i];
            p.partTokens[out + place] = first + i;
        });
    }
}

// The better one of two: the greater logit, the lower token among equals; what is no token comes last.
LOIRE_DEVICE bool isBetter(u32 key, int token, u32 otherKey, int otherToken)
{
    return key != otherKey ? key > otherKey : static_cast<u32>(token) < static_cast<u32>(otherToken);
}

// One block a row. Dynamic shared memory: a word for each candidate.
LOIRE_KERNEL void __launch_bounds__(kThreads) top_of_row(const __grid_constant__ TopParameters p)
{
    __shared__ Selection selection;
    __shared__ u32 bestKeys[64];
    __shared__ int bestTokens[64];
    __shared__ float bestLogits[64];
    u32* keys = reinterpret_cast<u32*>(dynamicShared());
    const int candidates = p.parts * p.count;
    const float* logits = p.partLogits + static_cast<i64>(blockIdx.x) * candidates;
    const int* tokens = p.partTokens + static_cast<i64>(blockIdx.x) * candidates;
    waitForPrimary();
    launchDependents();
    for (int i = threadIdx.x; i < candidates; i += kThreads)
    {
        keys[i] = tokens[i] < 0 ? 0 : max(1u, keyOf(logits[i]));
    }

    __syncthreads();
    selection.select(keys, candidates, p.count, [&](int place, int i)
    {
        bestKeys[place] = keys[i];
        bestTokens[place] = tokens[i];
        bestLogits[place] = logits[i];
    });
    __syncthreads();
    if (static_cast<int>(threadIdx.x) < p.count)
    {
        int rank = 0;
        for (int i = 0; i < p.count; i++)
        {
            const bool isOther = i != static_cast<int>(threadIdx.x);
            const bool isSame = bestKeys[i] == bestKeys[threadIdx.x] && bestTokens[i] == bestTokens[threadIdx.x]; // two that are no tokens
            rank += isOther && (isSame ? i < static_cast<int>(threadIdx.x) : isBetter(bestKeys[i], bestTokens[i], bestKeys[threadIdx.x], bestTokens[threadIdx.x])) ? 1 : 0;
        }

        p.bestLogits[static_cast<i64>(blockIdx.x) * p.count + rank] = bestLogits[threadIdx.x];
        p.bestTokens[static_cast<i64>(blockIdx.x) * p.count + rank] = bestTokens[threadIdx.x];
    }
}
