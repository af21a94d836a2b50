// Experts of many rows: bound by the matrix units. Compute capability 9.0, brain floats.
//
// A block computes tiles of 256 rows of an expert's weights (two halves of 128, which may lie apart) by 128 of its entries. The
// depth comes in chunks of 64 through a ring of four stages in shared memory, two under way. Each of the two warpgroups
// computes 64 rows of each half, so that a thread holds gate and up of the same product.
#include "Experts.cuh"
#include "Hopper.cuh"

#ifdef LOIRE_T_BF16

static constexpr int kThreads = 256;
static constexpr int kHalfRows = 128;
static constexpr int kTileRows = 2 * kHalfRows;
static constexpr int kTileTokens = 128;
static constexpr int kChunk = 64;
static constexpr int kRowBytes = 2 * kChunk;
static constexpr int kPieces = 8; // of 16 bytes, of a row
static constexpr int kWeightBytes = kTileRows * kRowBytes;
static constexpr int kStageBytes = kWeightBytes + kTileTokens * kRowBytes;
static constexpr int kStages = 4;
static constexpr int kAlignment = 1024;
static constexpr int kRowsOfPass = kThreads / kPieces;

struct PrefillTile
{
    const bf16* halves[2];
    int rows[2]; // how many of its 128 rows exist
    int firstRow;
    int first;   // place in order
    int tokens;
};

struct PrefillSums
{
    float c[2][64];
};

// Copies a tile's chunks to shared memory, one after the other.
struct PrefillLoader
{
    static constexpr int kHalfCopies = kHalfRows / kRowsOfPass;   // of a thread, of each half
    static constexpr int kTokenCopies = kTileTokens / kRowsOfPass;

    const PrefillTile& tile;
    i64 apart;                      // from one copy of a thread to its next, in elements
    int place;                      // of its first copy in a stage; the others are whole rows of eight away
    const bf16* weights[2];         // what it copies next, of its first row of each half
    const bf16* tokens[kTokenCopies];

    template <typename Problem>
    LOIRE_DEVICE PrefillLoader(const Problem& problem, const PrefillTile& t) : tile(t), apart(static_cast<i64>(problem.depth) * kRowsOfPass)
    {
        const int piece = threadIdx.x % kPieces;
        const int row = threadIdx.x / kPieces;
        place = row * kRowBytes + (piece ^ (row & 7)) * 16;
        for (int half = 0; half < 2; half++)
        {
            weights[half] = tile.halves[half] + static_cast<i64>(row) * problem.depth + piece * 8;
        }

#pragma unroll
        for (int i = 0; i < kTokenCopies; i++)
        {
            const int token = row + i * kRowsOfPass;
            tokens[i] = token < tile.tokens ? problem.tokenRow(tile.first + token) + piece * 8 : nullptr;
        }
    }

    LOIRE_DEVICE void load(unsigned char* stage)
    {
#pragma unroll
        for (int half = 0; half < 2; half++)
        {
            const bf16* source = weights[half];
#pragma unroll
            for (int i = 0; i < kHalfCopies; i++)
            {
                const bool isThere = static_cast<int>(threadIdx.x / kPieces) + i * kRowsOfPass < tile.rows[half];
                copyAsync16Or0Ahead(stage + place + (half * kHalfRows + i * kRowsOfPass) * kRowBytes, isThere ? source : tile.halves[half], isThere);
                source += apart;
            }

            weights[half] += kChunk;
        }

#pragma unroll
        for (int i = 0; i < kTokenCopies; i++)
        {
            if (tokens[i])
            {
                copyAsync16(stage + kWeightBytes + place + i * kRowsOfPass * kRowBytes, tokens[i]);
                tokens[i] += kChunk;
            }
        }
    }
};

// One chunk: 64 rows of each half by 128 tokens, by each warpgroup.
LOIRE_DEVICE void multiply(PrefillSums& sums, const unsigned char* stage)
{
    const int group = threadIdx.x / 128;
    const unsigned char* weights = stage + group * 64 * kRowBytes;
    const unsigned char* tokens = stage + kWeightBytes;
    groupKeep(sums.c[0]);
    groupKeep(sums.c[1]);
    groupBegin();
#pragma unroll
    for (int step = 0; step < kChunk / 16; step++)
    {
        groupMma(sums.c[0], groupOperand(weights, step), groupOperand(tokens, step));
        groupMma(sums.c[1], groupOperand(weights + kHalfRows * kRowBytes, step), groupOperand(tokens, step));
    }

    groupCommit();
}

template <typename Problem>
LOIRE_DEVICE void computeTile(const Problem& problem, const PrefillTile& tile, unsigned char* stages)
{
    PrefillLoader loader(problem, tile);
    const int chunks = problem.depth / kChunk;
    PrefillSums sums;
#pragma unroll
    for (int i = 0; i < 64; i++)
    {
        sums.c[0][i] = 0.0f;
        sums.c[1][i] = 0.0f;
    }

    for (int chunk = 0; chunk < 2; chunk++)
    {
        if (chunk < chunks)
        {
            loader.load(stages + chunk * kStageBytes);
        }

        copyAsyncCommit();
    }

    for (int chunk = 0; chunk < chunks; chunk++)
    {
        copyAsyncWait<1>();
        publishShared();
        __syncthreads(); // the chunk is there for all; and all products of the chunk before the last are done, whose stage is free
        multiply(sums, stages + chunk % kStages * kStageBytes);
        if (chunk + 2 < chunks)
        {
            loader.load(stages + (chunk + 2) % kStages * kStageBytes);
        }

        copyAsyncCommit();
        groupWait<1>();
    }

    groupWait<0>();
    groupKeep(sums.c[0]);
    groupKeep(sums.c[1]);
    copyAsyncWait<0>();
    problem.finish(tile, sums);
    __syncthreads(); // nobody reads a stage of this tile any more
}

// Row within a half, and token of the tile, of element i of a thread's sums.
LOIRE_DEVICE int rowOf(int i) { return threadIdx.x / kWarp * 16 + threadIdx.x % kWarp / 4 + i % 4 / 2 * 8; }
LOIRE_DEVICE int tokenOf(int i) { return i / 4 * 8 + threadIdx.x % 4 * 2 + i % 2; }

struct GateUpPrefill
{
    const ExpertsParameters& p;
    int depth;

    LOIRE_DEVICE explicit GateUpPrefill(const ExpertsParameters& parameters) : p(parameters), depth(parameters.hidden) {}

    static LOIRE_DEVICE int rowTiles(const ExpertsParameters& p) { return (p.width + kHalfRows - 1) / kHalfRows; }

    LOIRE_DEVICE PrefillTile tileAt(const ExpertPlace& place) const
    {
        const i64 matrix = static_cast<i64>(p.width) * depth;
        PrefillTile tile;
        tile.firstRow = place.rowTile * kHalfRows;
        tile.halves[0] = p.gateUp + place.expert * 2 * matrix + static_cast<i64>(tile.firstRow) * depth;
        tile.halves[1] = tile.halves[0] + matrix;
        tile.rows[0] = tile.rows[1] = min(kHalfRows, p.width - tile.firstRow);
        tile.first = place.first;
        tile.tokens = place.count;
        return tile;
    }

    LOIRE_DEVICE const bf16* tokenRow(int place) const { return p.x + static_cast<i64>(p.order[place] / p.topK) * depth; }

    LOIRE_DEVICE void finish(const PrefillTile& tile, const PrefillSums& sums) const
    {
#pragma unroll
        for (int i = 0; i < 64; i++)
        {
            const int row = rowOf(i);
            const int token = tokenOf(i);
            if (row < tile.rows[0] && token < tile.tokens)
            {
                store(p.activated + static_cast<i64>(tile.first + token) * p.width + tile.firstRow + row, silu(sums.c[0][i]) * sums.c[1][i]);
            }
        }
    }
};

struct DownPrefill
{
    const ExpertsParameters& p;
    int depth;

    LOIRE_DEVICE explicit DownPrefill(const ExpertsParameters& parameters) : p(parameters), depth(parameters.width) {}

    static LOIRE_DEVICE int rowTiles(const ExpertsParameters& p) { return (p.hidden + kTileRows - 1) / kTileRows; }

    LOIRE_DEVICE PrefillTile tileAt(const ExpertPlace& place) const
    {
        const bf16* matrix = p.down + place.expert * static_cast<i64>(p.hidden) * depth;
        PrefillTile tile;
        tile.firstRow = place.rowTile * kTileRows;
        for (int half = 0; half < 2; half++)
        {
            const int row = tile.firstRow + half * kHalfRows;
            tile.rows[half] = max(0, min(kHalfRows, p.hidden - row));
            tile.halves[half] = matrix + static_cast<i64>(tile.rows[half] > 0 ? row : 0) * depth;
        }

        tile.first = place.first;
        tile.tokens = place.count;
        return tile;
    }

    LOIRE_DEVICE const bf16* tokenRow(int place) const { return p.activated + static_cast<i64>(place) * depth; }

    LOIRE_DEVICE void finish(const PrefillTile& tile, const PrefillSums& sums) const
    {
#pragma unroll
        for (int n = 0; n < 16; n++)
        {
#pragma unroll
            for (int odd = 0; odd < 2; odd++)
            {
                const int token = tokenOf(n * 4 + odd);
                if (token < tile.tokens)
                {
                    float* y = p.y + static_cast<i64>(p.order[tile.first + token]) * p.hidden + tile.firstRow;
#pragma unroll
                    for (int j = 0; j < 4; j++)
                    {
                        const int i = n * 4 + odd + j % 2 * 2;
                        const int row = rowOf(i);
                        if (row < tile.rows[j / 2])
                        {
                            y[j / 2 * kHalfRows + row] = sums.c[j / 2][i];
                        }
                    }
                }
            }
        }
    }
};

// Tiles of the same weights are neighbours, so that the blocks at work read the same weights and entries at about the same time.
template <typename Problem>
LOIRE_DEVICE void expertsPrefill(const ExpertsParameters& p)
{
    __shared__ ExpertTiles tiles;
    unsigned char* shared = dynamicShared();
    unsigned char* stages = shared + (kAlignment - sharedAddress(shared) % kAlignment) % kAlignment;
    waitForPrimary();
    launchDependents();
    tiles.count(p, Problem::rowTiles(p), kTileTokens);
    const Problem problem(p);
    for (int index = blockIdx.x; index < tiles.starts[p.expertCount]; index += gridDim.x)
    {
        computeTile(problem, problem.tileAt(placeOf(p, tiles, index, kTileTokens)), stages);
    }
}

// Depths that are multiples of 64. Dynamic shared memory: kStages * kStageBytes + kAlignment. Grid: one block a multiprocessor.
LOIRE_KERNEL void __launch_bounds__(kThreads, 1) experts_gate_up_prefill(const __grid_constant__ ExpertsParameters p) { expertsPrefill<GateUpPrefill>(p); }
LOIRE_KERNEL void __launch_bounds__(kThreads, 1) experts_down_prefill(const __grid_constant__ ExpertsParameters p) { expertsPrefill<DownPrefill>(p); }

#endif
