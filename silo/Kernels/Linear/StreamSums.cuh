// What the blocks of a streaming kernel have of the work (Stream.cuh): their shares of the units, their sums, and how they join
// those of a tile that several of them share.
#ifndef LOIRE_STREAM_SUMS
#define LOIRE_STREAM_SUMS
#include "Common.cuh"

static constexpr int kStreamThreads = 128;
static constexpr int kHalfRows = 64;
static constexpr int kTileRows = 2 * kHalfRows;
static constexpr int kScratchRow = kHalfRows + 4; // floats: the rows of a token, and what keeps two tokens in different banks

// The share of each block of all units, and which blocks share a tile. The first `longer` have one unit more.
struct StreamShare
{
    int workers;
    int length;
    int longer;

    LOIRE_DEVICE int begin(int worker) const { return worker * length + min(worker, longer); }

    LOIRE_DEVICE int ownerOf(int unit) const
    {
        const int ofLonger = longer * (length + 1);
        return unit < ofLonger ? unit / (length + 1) : longer + (unit - ofLonger) / length;
    }
};

// Blocks beyond the workers have none. A worker has a few units at least: summing up among many costs more than it saves.
static constexpr int kLeastUnits = 4;

LOIRE_DEVICE StreamShare shareOf(int units)
{
    StreamShare share;
    share.workers = min(static_cast<int>(gridDim.x), (units + kLeastUnits - 1) / kLeastUnits);
    share.length = units / max(1, share.workers);
    share.longer = units - share.length * share.workers;
    return share;
}

template <int Tiles>
struct StreamSums
{
    float c[2][Tiles][4]; // half, eight tokens, element of the fragment

    LOIRE_DEVICE void clear()
    {
#pragma unroll
        for (int half = 0; half < 2; half++)
        {
#pragma unroll
            for (int n = 0; n < Tiles; n++)
            {
#pragma unroll
                for (int j = 0; j < 4; j++)
                {
                    c[half][n][j] = 0.0f;
                }
            }
        }
    }

    // Row of a half, and token of the tile, of element j of the fragments n.
    static LOIRE_DEVICE int rowOf(int j) { return threadIdx.x / kWarp * 16 + threadIdx.x % kWarp / 4 + (j / 2) * 8; }
    static LOIRE_DEVICE int tokenOf(int n, int j) { return n * 8 + threadIdx.x % 4 * 2 + j % 2; }

    // Eight tokens' sums, as [half][token][row], into shared memory.
    LOIRE_DEVICE void spread(float* scratch, int n) const
    {
#pragma unroll
        for (int half = 0; half < 2; half++)
        {
#pragma unroll
            for (int j = 0; j < 4; j++)
            {
                scratch[(half * 8 + tokenOf(0, j)) * kScratchRow + rowOf(j)] = c[half][n][j];
            }
        }
    }

    LOIRE_DEVICE void save(float* slot) const
    {
#pragma unroll
        for (int i = 0; i < 2 * Tiles; i++)
        {
            const float (&four)[4] = c[i / Tiles][i % Tiles];
            reinterpret_cast<float4*>(slot)[i * kStreamThreads + threadIdx.x] = make_float4(four[0], four[1], four[2], four[3]);
        }
    }

    // Adds what several blocks have saved, in their order. Loads of a few are under way at once.
    template <int Count>
    LOIRE_DEVICE void add(const float* const (&slots)[Count], int count)
    {
#pragma unroll
        for (int i = 0; i < 2 * Tiles; i++)
        {
            float4 fours[Count];
#pragma unroll
            for (int k = 0; k < Count; k++)
            {
                fours[k] = k < count ? loadShared4(reinterpret_cast<const float4*>(slots[k]) + i * kStreamThreads + threadIdx.x) : make_float4(0.0f, 0.0f, 0.0f, 0.0f);
            }

            float (&sum)[4] = c[i / Tiles][i % Tiles];
#pragma unroll
            for (int k = 0; k < Count; k++)
            {
                sum[0] += fours[k].x;
                sum[1] += fours[k].y;
                sum[2] += fours[k].z;
                sum[3] += fours[k].w;
            }
        }
    }
};

template <int Tiles>
struct StreamSlots
{
    static constexpr int kFloats = kTileRows * 8 * Tiles;
    static constexpr int kAtOnce = 8; // blocks whose sums are loaded together
    float* partials; // [workers][2][kFloats]: of the tile that the worker goes on with, and of the one that it begins and leaves
    int* arrivals;   // [workers], of the tile that the worker begins and leaves; 0 before and after a launch

    // Adds up what the block has of a tile with what others have. True in the block that then has the whole.
    LOIRE_DEVICE bool join(StreamSums<Tiles>& sums, const StreamShare& share, int firstUnit, int endUnit, int* isLast) const
    {
        const int first = share.ownerOf(firstUnit);
        const int last = share.ownerOf(endUnit - 1);
        if (first == last)
        {
            return true;
        }

        sums.save(slot(share, blockIdx.x, firstUnit));
        __syncthreads();
        if (threadIdx.x == 0)
        {
            __threadfence(); // for what the whole block has written: the barrier has ordered it before
            *isLast = atomicAdd(arrivals + first, 1) == last - first;
            __threadfence();
        }

        __syncthreads();
        if (!*isLast)
        {
            return false;
        }

        sums.clear();
        for (int worker = first; worker <= last; worker += kAtOnce)
        {
            const float* slots[kAtOnce];
#pragma unroll
            for (int k = 0; k < kAtOnce; k++)
            {
                slots[k] = slot(share, min(worker + k, last), firstUnit);
            }

            sums.add(slots, last - worker + 1);
        }

        if (threadIdx.x == 0)
        {
            arrivals[first] = 0;
        }

        return true;
    }

    LOIRE_DEVICE float* slot(const StreamShare& share, int worker, int firstUnit) const
    {
        return partials + (2LL * worker + (share.begin(worker) <= firstUnit ? 1 : 0)) * kFloats;
    }
};

#endif
