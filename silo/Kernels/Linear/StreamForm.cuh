// How weights of a type lie in a stage of a streaming kernel (Stream.cuh), and how a stage is multiplied. Here: brain floats.
#ifndef LOIRE_STREAM_FORM
#define LOIRE_STREAM_FORM
#include "StreamSums.cuh"

static constexpr int kPieceBytes = 16; // of one copy
static constexpr int kChunkBytes = 128;
static constexpr int kWeightBytes = kTileRows * kChunkBytes;

// Where a tile's weights and tokens are.
template <typename Weight>
struct StreamTile
{
    const Weight* halves[2]; // first row of each half
    const float* scales[2];  // of the blocks of each half's rows, where weights have any
    int rows[2];             // how many of its 64 rows exist
    int tokens;              // at most 8 * Tiles
    int index;               // the problem's
    int firstToken;          // the problem's
    int firstRow;            // the problem's
};

// How weights of a type lie in a stage, and how a stage is multiplied.
template <typename Weight>
struct StreamForm;

template <typename Weight>
LOIRE_DEVICE int chunksOf(int depth) { return (depth + StreamForm<Weight>::kChunk - 1) / StreamForm<Weight>::kChunk; }

template <>
struct StreamForm<bf16>
{
    static constexpr int kChunk = 64;           // elements of depth
    static constexpr int kTokenBytes = 128;     // of a token's chunk
    static constexpr int kScaleBytes = 0;
    static constexpr bool kIsWhole = true;      // depths are whole chunks

    static LOIRE_DEVICE constexpr int stagesFor(int tiles) { return tiles == 1 ? 6 : tiles == 8 ? 4 : 5; }

    // Sixteen bytes of row `row` of a stage: pieces of a row are permuted so that eight rows lie in different banks.
    static LOIRE_DEVICE int placeOf(int row, int piece) { return row * kChunkBytes + ((piece ^ (row & 7)) * 16); }
    static LOIRE_DEVICE int placeOfToken(int row, int piece) { return placeOf(row, piece); }
    static LOIRE_DEVICE unsigned char* pieceOf(unsigned char* rows, int row, int piece) { return rows + placeOf(row, piece); }

    // Adds one unit, from shared memory.
    template <int Tiles>
    static LOIRE_DEVICE void multiply(StreamSums<Tiles>& sums, unsigned char* stage)
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
                    mmaBf16(sums.c[0][n], a[0][step], b[step]);
                    mmaBf16(sums.c[1][n], a[1][step], b[step]);
                }
            }
        }
    }
};

template <typename Weight>
LOIRE_DEVICE constexpr int stageBytes(int tiles) { return kWeightBytes + tiles * 8 * StreamForm<Weight>::kTokenBytes + StreamForm<Weight>::kScaleBytes; }

#endif
