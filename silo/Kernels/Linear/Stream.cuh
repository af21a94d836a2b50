// Products of a few rows of activations with weights that are read once: bound by the memory of the device.
//
// A tile is 128 rows of weights (two halves of 64, which may lie apart) by up to 8 * Tiles tokens. Its depth is cut into
// chunks of 128 bytes of a row of weights: 64 brain floats, or a block of 128 numbers of 8 bits (StreamFloat8.cuh), whose last
// chunk may be a part of one. One chunk of one tile is a unit. The units of a launch, tile after tile, are dealt to the blocks in equal
// runs, so that all multiprocessors read until the end whatever the shape is. A block copies the units of its run through a
// ring of stages in shared memory, several under way at any time, also over the border between two tiles.
//
// A tile that several blocks share is summed by the last of them to arrive, over all of them in their order: the sum does not
// depend on which one that was.
#ifndef LOIRE_STREAM
#define LOIRE_STREAM
#include "StreamForm.cuh"

// Copies units to shared memory, in order. Runs ahead of the sums.
template <int Tiles, typename Problem>
struct StreamLoader
{
    typedef typename Problem::Weight Weight;
    typedef StreamForm<Weight> Form;

    static constexpr int kPiece = kPieceBytes / sizeof(Weight);      // elements of one copy
    static constexpr int kPieces = kChunkBytes / kPieceBytes;
    static constexpr int kRowsApart = kStreamThreads / kPieces;      // of two copies of a thread
    static constexpr int kHalfCopies = kHalfRows / kRowsApart;       // of a thread, of each half
    static constexpr int kTokenPiece = kPieceBytes / sizeof(bf16);
    static constexpr int kTokenPieces = Form::kTokenBytes / kPieceBytes;
    static constexpr int kTokensApart = kStreamThreads / kTokenPieces;
    static constexpr int kTokenCopies = (Tiles * 8 + kTokensApart - 1) / kTokensApart;

    const Problem& problem;
    StreamTile<Weight> tile;
    const Weight* weights[2];             // what the thread copies next, of its first row of each half
    const float* scale;                   // what each of the first two threads copies next, of its half
    const bf16* tokens[kTokenCopies];     // null: there is no such token
    int chunk;                            // of the tokens that come next
    int column;                           // of the thread's next weights
    int place;                            // of the thread's first copy in a stage; the others are whole rows of eight away
    int tokenPlace;                       // the same of tokens

    LOIRE_DEVICE StreamLoader(const Problem& p, int unit) : problem(p), chunk(unit % p.chunks)
    {
        place = Form::placeOf(row(), piece());
        tokenPlace = kWeightBytes + Form::placeOfToken(tokenRow(), tokenPiece());
        open(unit / problem.chunks);
    }

    static LOIRE_DEVICE int row() { return threadIdx.x / kPieces; }
    static LOIRE_DEVICE int piece() { return threadIdx.x % kPieces; }
    static LOIRE_DEVICE int tokenRow() { return threadIdx.x / kTokenPieces; }
    static LOIRE_DEVICE int tokenPiece() { return threadIdx.x % kTokenPieces; }

    LOIRE_DEVICE void open(int index)
    {
        tile = problem.tileAt(index);
        column = chunk * Form::kChunk + piece() * kPiece;
        for (int half = 0; half < 2; half++)
        {
            weights[half] = tile.halves[half] + static_cast<i64>(row()) * problem.depth + column;
        }

        if constexpr (Form::kScaleBytes > 0)
        {
            scale = (threadIdx.x == 0 ? tile.scales[0] : tile.scales[1]) + chunk;
        }
    }

    // Tokens are what the kernel before this one wrote; weights are not, and may be loaded before it has ended.
    LOIRE_DEVICE void findTokens()
    {
#pragma unroll
        for (int i = 0; i < kTokenCopies; i++)
        {
            const int token = tokenRow() + i * kTokensApart;
            tokens[i] = token < tile.tokens ? problem.tokenRow(tile, token) + chunk * Form::kChunk + tokenPiece() * kTokenPiece : nullptr;
        }
    }

    // Of the next unit.
    LOIRE_DEVICE void loadWeights(unsigned char* stage)
    {
        const i64 apart = static_cast<i64>(problem.depth) * kRowsApart;
        const bool isInside = Form::kIsWhole || column < problem.depth; // else zeros: what is beyond the depth adds nothing
#pragma unroll
        for (int half = 0; half < 2; half++)
        {
            const Weight* source = weights[half];
#pragma unroll
            for (int i = 0; i < kHalfCopies; i++)
            {
                const bool isThere = isInside && row() + i * kRowsApart < tile.rows[half];
                copyAsync16Or0Ahead(stage + place + (half * kHalfRows + i * kRowsApart) * kChunkBytes, isThere ? source : tile.halves[half], isThere);
                source += apart;
            }

            weights[half] += Form::kChunk;
        }

        column += Form::kChunk;
        if constexpr (Form::kScaleBytes > 0)
        {
            if (threadIdx.x < 2)
            {
                copyAsync4(stage + stageBytes<Weight>(Tiles) - Form::kScaleBytes + threadIdx.x * sizeof(float), scale);
                scale++;
            }
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
                unsigned char* target = stage + tokenPlace + i * kTokensApart * Form::kTokenBytes;
                if constexpr (Form::kIsWhole)
                {
                    copyAsync16(target, tokens[i]);
                }
                else
                {
                    const bool isInside = chunk * Form::kChunk + tokenPiece() * kTokenPiece < problem.depth;
                    copyAsync16Or0(target, isInside ? static_cast<const void*>(tokens[i]) : tile.halves[0], isInside);
                }

                tokens[i] += Form::kChunk;
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
    const StreamTile<typename Problem::Weight> tile = problem.tileAt(index);
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

// All units of the block. Dynamic shared memory: stagesFor(Tiles) * stageBytes<Weight>(Tiles).
template <int Tiles, typename Problem>
LOIRE_DEVICE void stream(const Problem& problem, const StreamSlots<Tiles>& slots, const StreamShare& share, int* isLast)
{
    typedef StreamForm<typename Problem::Weight> Form;
    constexpr int stages = Form::stagesFor(Tiles);
    constexpr int bytes = stageBytes<typename Problem::Weight>(Tiles);
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
        loader.loadWeights(dynamicShared() + i * bytes);
    }

    waitForPrimary();
    launchDependents();
    loader.findTokens();
    for (int i = 0; i < stages - 1; i++)
    {
        if (i < early)
        {
            loader.loadTokens(dynamicShared() + i * bytes);
        }
        else if (begin + i < end)
        {
            loader.load(dynamicShared() + i * bytes);
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
            loader.load(dynamicShared() + free * bytes);
        }

        copyAsyncCommit();
        unsigned char* current = dynamicShared() + stage * bytes;
        Form::multiply(sums, current);
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
