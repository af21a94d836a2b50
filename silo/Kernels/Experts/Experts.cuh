// What the kernels of experts share: their parameters, and where the tiles of each expert are.
#ifndef LOIRE_EXPERTS
#define LOIRE_EXPERTS
#include "Common.cuh"

// LOIRE_WEIGHTS_E4M3: weights are numbers of 8 bits with a scale for each block.
#ifdef LOIRE_WEIGHTS_E4M3
#include "Float8.cuh"
typedef e4m3 W;
#else
typedef T W;
#endif

// The twin of Experts.Parameters.
struct ExpertsParameters
{
    const T* x;         // [rows, hidden]
    const W* gateUp;    // [expertCount, 2, width, hidden]: gate rows, then up rows
    const W* down;      // [expertCount, hidden, width]
    const float* gateUpScales; // [expertCount, 2, blocks of width, blocks of hidden], of weights of 8 bits
    const float* downScales;   // [expertCount, blocks of hidden, blocks of width], of weights of 8 bits
    const int* choices; // [entries], entry = row * topK + choice
    const int* offsets; // [experts + 1], of all experts
    const int* order;   // [entries]: entries by expert
    T* activated;       // [entries, width], by place in order
    float* y;           // [entries, hidden], by entry
    float* partials;    // of the streaming kernels
    int* arrivals;      // of the streaming kernels
    int entries;
    int topK;
    int hidden;
    int width;
    int firstExpert;    // of those whose weights are here; entries of others are left alone
    int expertCount;
};

static constexpr int kMaxExperts = 1024;

// Where the tiles of each expert begin. In shared memory, filled once by the whole block.
struct ExpertTiles
{
    int starts[kMaxExperts + 1];
    int most; // entries of one expert
    int isLast;

    // rowTiles: of one expert's matrix. Ends with a barrier.
    LOIRE_DEVICE void count(const ExpertsParameters& p, int rowTiles, int tokensOfTile)
    {
        if (threadIdx.x < kWarp)
        {
            int before = 0;
            int greatest = 0;
            for (int first = 0; first < p.expertCount; first += kWarp)
            {
                const int expert = first + threadIdx.x;
                const int* offset = p.offsets + p.firstExpert + min(expert, p.expertCount - 1);
                const int entries = expert < p.expertCount ? offset[1] - offset[0] : 0;
                greatest = max(greatest, entries);
                int sum = (entries + tokensOfTile - 1) / tokensOfTile * rowTiles;
#pragma unroll
                for (int distance = 1; distance < kWarp; distance *= 2)
                {
                    const int other = __shfl_up_sync(kAllLanes, sum, distance);
                    sum += static_cast<int>(threadIdx.x) >= distance ? other : 0;
                }

                if (expert < p.expertCount)
                {
                    starts[expert + 1] = before + sum;
                }

                before += __shfl_sync(kAllLanes, sum, kWarp - 1);
            }

#pragma unroll
            for (int distance = kWarp / 2; distance > 0; distance /= 2)
            {
                greatest = max(greatest, __shfl_xor_sync(kAllLanes, greatest, distance));
            }

            if (threadIdx.x == 0)
            {
                starts[0] = 0;
                most = greatest;
            }
        }

        __syncthreads();
    }

    // The expert of a tile.
    LOIRE_DEVICE int find(int tile, int experts) const
    {
        int low = 0;
        int high = experts;
        while (high - low > 1)
        {
            const int middle = (low + high) / 2;
            if (starts[middle] <= tile)
            {
                low = middle;
            }
            else
            {
                high = middle;
            }
        }

        return low;
    }
};

// A tile's place: its expert, which rows, and which of the expert's entries. Tiles of the same rows are neighbours.
struct ExpertPlace
{
    int expert;
    int rowTile;
    int first; // place in order
    int count;
};

LOIRE_DEVICE ExpertPlace placeOf(const ExpertsParameters& p, const ExpertTiles& tiles, int index, int tokensOfTile)
{
    ExpertPlace place;
    place.expert = tiles.find(index, p.expertCount);
    const int begin = p.offsets[p.firstExpert + place.expert];
    const int entries = p.offsets[p.firstExpert + place.expert + 1] - begin;
    const int tokenTiles = (entries + tokensOfTile - 1) / tokensOfTile;
    const int local = index - tiles.starts[place.expert];
    place.rowTile = local / tokenTiles;
    const int skipped = local % tokenTiles * tokensOfTile;
    place.first = begin + skipped;
    place.count = min(tokensOfTile, entries - skipped);
    return place;
}

#endif
