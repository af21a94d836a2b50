// Products of a few rows of activations with weights that are read once: bound by the memory of the device.
//
// A tile is 128 rows of weights (two halves of 64, which may lie apart) by up to 8 * Tiles tokens. Its depth is cut into
// chunks of 64; one chunk of one tile is a unit. The units of a launch, tile after tile, are dealt to the blocks in equal
// runs, so that all multiprocessors read until the end whatever the shape is. A block copies the units of its run through a
// ring of stages in shared memory, several under way at any time, also over the border between two tiles.
//
// A tile that several blocks share is summed by the last of them to arrive, over all of them in their order: the sum does not
// depend on which one that was.
#ifndef LOIRE_STREAM
#define LOIRE_STREAM
#include "Common.cuh"

static constexpr int kStreamThreads = 128;
static constexpr int kHalfRows = 64;
static constexpr int kTileRows = 2 * kHalfRows;
static constexpr int kChunk = 64;      // elements of depth
static constexpr int kChunkBytes = 2 * kChunk;
static constexpr int kPiece = 8;       // elements of one 16-byte copy
static constexpr int kPieces = kChunk / kPiece;
static constexpr int kWeightBytes = kTileRows * kChunkBytes;
static constexpr int kScratchRow = kHalfRows + 4; // floats: the rows of a token, and what keeps two tokens in different banks

LOIRE_DEVICE constexpr int stagesFor(int tiles) { return tiles == 1 ? 6 : tiles == 8 ? 4 : 5; }
LOIRE_DEVICE constexpr int stageBytes(int tiles) { return kWeightBytes + tiles * 8 * kChunkBytes; }

// Where a tile's weights and tokens are.
struct StreamTile
{
    const bf16* halves[2]; // first row of each half
    int rows[2];           // how many of its 64 rows exist
    int tokens;            // at most 8 * Tiles
    int index;             // the problem's
    int firstToken;        // the problem's
    int firstRow;          // the problem's
};

// Sixteen bytes of row `row` of a stage: rows of 128 bytes, whose pieces are permuted so that eight rows lie in different banks.
LOIRE_DEVICE int placeOf(int row, int piece) { return row * kChunkBytes + ((piece ^ (row & 7)) * 16); }
LOIRE_DEVICE unsigned char* pieceOf(unsigned char* rows, int row, int piece) { return rows + placeOf(row, piece); }

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

    // One unit, from shared memory.
    LOIRE_DEVICE void multiply(unsigned char* stage)
    {
        const int lane = threadIdx.x % kWarp;
        const int warp = threadIdx.x / kWarp;
        unsigned char* tokens = stage + kWeightBytes;
#pragma unroll
        for (int deep = 0; deep < 2; deep++) // 32 of the chunk's 64
        {
            u32 a[2][2][4];
#pragma unroll
            for (int half = 0; half < 2; half++)
            {
#pragma unroll
                for (int step = 0; step < 2; step++)
                {
                    loadMatrix4(a[half][step], pieceOf(stage, half * kHalfRows + warp * 16 + lane % 16, (deep * 2 + step) * 2 + lane / 16));
                }
            }

#pragma unroll
            for (int n = 0; n < Tiles; n++)
            {
                u32 four[4];
                loadMatrix4(four, pieceOf(tokens, n * 8 + lane % 8, deep * 4 + lane / 8));
                const u32 b[2][2] = { { four[0], four[1] }, { four[2], four[3] } };
#pragma unroll
                for (int step = 0; step < 2; step++)
                {
                    mmaBf16(c[0][n], a[0][step], b[step]);
                    mmaBf16(c[1][n], a[1][step], b[step]);
                }
            }
        }
    }

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

// Copies units to shared memory, in order. Runs ahead of the sums.
template <int Tiles, typename Problem>
struct StreamLoader
{
    static constexpr int kRowsApart = kStreamThreads / kPieces;      // of two copies of a thread
    static constexpr int kHalfCopies = kHalfRows / kRowsApart;       // of a thread, of each half
    static constexpr int kTokenCopies = (Tiles * 8 + kRowsApart - 1) / kRowsApart;

    const Problem& problem;
    StreamTile tile;
    const bf16* weights[2];               // what the thread copies next, of its first row of each half
    const bf16* tokens[kTokenCopies];     // null: there is no such token
    int chunk;
    int place;                            // of the thread's first copy in a stage; the others are whole rows of eight away

    LOIRE_DEVICE StreamLoader(const Problem& p, int unit) : problem(p), chunk(unit % p.chunks)
    {
        place = placeOf(row(), piece());
        open(unit / problem.chunks);
    }

    static LOIRE_DEVICE int row() { return threadIdx.x / kPieces; }
    static LOIRE_DEVICE int piece() { return threadIdx.x % kPieces; }

    LOIRE_DEVICE void open(int index)
    {
        tile = problem.tileAt(index);
        for (int half = 0; half < 2; half++)
        {
            weights[half] = tile.halves[half] + static_cast<i64>(row()) * problem.depth + chunk * kChunk + piece() * kPiece;
        }
    }

    // Tokens are what the kernel before this one wrote; weights are not, and may be loaded before it has ended.
    LOIRE_DEVICE void findTokens()
    {
#pragma unroll
        for (int i = 0; i < kTokenCopies; i++)
        {
            const int token = row() + i * kRowsApart;
            tokens[i] = token < tile.tokens ? problem.tokenRow(tile, token) + chunk * kChunk + piece() * kPiece : nullptr;
        }
    }

    // Of the next unit.
    LOIRE_DEVICE void loadWeights(unsigned char* stage)
    {
        const i64 apart = static_cast<i64>(problem.depth) * kRowsApart;
#pragma unroll
        for (int half = 0; half < 2; half++)
        {
            const bf16* source = weights[half];
#pragma unroll
            for (int i = 0; i < kHalfCopies; i++)
            {
                const bool isThere = row() + i * kRowsApart < tile.rows[half];
                copyAsync16Or0Ahead(stage + place + (half * kHalfRows + i * kRowsApart) * kChunkBytes, isThere ? source : tile.halves[half], isThere);
                source += apart;
            }

            weights[half] += kChunk;
        }
    }

    // Of the next unit. What lies in the rows of tokens that are not there is multiplied into sums that nobody reads.
    LOIRE_DEVICE void loadTokens(unsigned char* stage)
    {
#pragma unroll
        for (int i = 0; i < kTokenCopies; i++)
        {
            if (tokens[i])
            {
                copyAsync16(stage + kWeightBytes + place + i * kRowsApart * kChunkBytes, tokens[i]);
                tokens[i] += kChunk;
            }
        }

        chunk++;
    }

    LOIRE_DEVICE void load(unsigned char* stage)
    {
        if (chunk == problem.chunks)
        {
            chunk = 0;
            open(tile.index + 1);
            findTokens();
        }

        loadWeights(stage);
        loadTokens(stage);
    }
};

// What a block does with the sums of a tile, eight tokens at a time by way of shared memory: a loop of few instructions, as it
// runs once for many products, and neighbouring threads write neighbouring columns. scratch: 16 * kScratchRow floats.
template <int Tiles, typename Problem>
LOIRE_DEVICE void finish(const Problem& problem, const StreamSums<Tiles>& sums, int index, float* scratch)
{
    const StreamTile tile = problem.tileAt(index);
#pragma unroll
    for (int n = 0; n < Tiles; n++)
    {
        if (n * 8 >= tile.tokens)
        {
            return;
        }

        __syncthreads();
        sums.spread(scratch, n);
        __syncthreads();
        problem.put(tile, n * 8, scratch);
    }
}

// All units of the block. Dynamic shared memory: stagesFor(Tiles) * stageBytes(Tiles).
template <int Tiles, typename Problem>
LOIRE_DEVICE void stream(const Problem& problem, const StreamSlots<Tiles>& slots, const StreamShare& share, int* isLast)
{
    constexpr int stages = stagesFor(Tiles);
    if (static_cast<int>(blockIdx.x) >= share.workers)
    {
        waitForPrimary(); // a kernel that ends before its predecessor would let its successor begin before it
        return;
    }

    const int begin = share.begin(blockIdx.x);
    const int end = share.begin(blockIdx.x + 1);
    StreamLoader<Tiles, Problem> loader(problem, begin);

    // The weights of the first units are on their way while the kernel before ends.
    const int early = min(stages - 1, min(end - begin, problem.chunks - loader.chunk));
    for (int i = 0; i < early; i++)
    {
        loader.loadWeights(dynamicShared() + i * stageBytes(Tiles));
    }

    waitForPrimary();
    launchDependents();
    loader.findTokens();
    for (int i = 0; i < stages - 1; i++)
    {
        if (i < early)
        {
            loader.loadTokens(dynamicShared() + i * stageBytes(Tiles));
        }
        else if (begin + i < end)
        {
            loader.load(dynamicShared() + i * stageBytes(Tiles));
        }

        copyAsyncCommit();
    }

    StreamSums<Tiles> sums;
    sums.clear();
    int chunk = begin % problem.chunks;
    int tile = begin / problem.chunks;
    int stage = 0;
    int free = stages - 1;
    for (int unit = begin; unit < end; unit++)
    {
        copyAsyncWait<stages - 2>();
        __syncthreads(); // the unit is there for all, and all are done with the one before, whose stage is free now
        if (unit + stages - 1 < end)
        {
            loader.load(dynamicShared() + free * stageBytes(Tiles));
        }

        copyAsyncCommit();
        unsigned char* current = dynamicShared() + stage * stageBytes(Tiles);
        sums.multiply(current);
        stage = stage + 1 == stages ? 0 : stage + 1;
        free = free + 1 == stages ? 0 : free + 1;
        chunk++;
        if (chunk == problem.chunks || unit + 1 == end)
        {
            const int firstUnit = tile * problem.chunks;
            if (slots.join(sums, share, firstUnit, firstUnit + problem.chunks, isLast))
            {
                finish<Tiles>(problem, sums, tile, reinterpret_cast<float*>(current)); // nothing is copied there before the next barrier
            }

            sums.clear();
            chunk = 0;
            tile++;
        }
    }

    copyAsyncWait<0>();
}

#endif
