// Weights of 8 bits in a streaming kernel (Stream.cuh): a chunk is the depth of a block that has one scale.
//
// Sums are free to take the elements of the depth in any order, as long as weights and tokens take the same. A lane has 16 bytes
// of a row of weights, elements 16 t .. 16 t + 15 of 64 with t = lane % 4, and of a token's row the same elements, 32 bytes: word
// s of the weights is what products of step s have of the lane, its lower half as elements 2 t and 2 t + 1 of the sixteen, its
// upper one as 2 t + 8 and 2 t + 9.
#ifndef LOIRE_STREAM_FLOAT8
#define LOIRE_STREAM_FLOAT8
#include "Float8.cuh"
#include "StreamForm.cuh"

template <>
struct StreamForm<e4m3>
{
    static constexpr int kChunk = kScaleBlock;
    static constexpr int kTokenBytes = 2 * kChunk;
    static constexpr int kScaleBytes = 128;     // one for each half, and what keeps stages in step with the banks
    static constexpr bool kIsWhole = false;     // the last chunk may be half of one

    static LOIRE_DEVICE constexpr int stagesFor(int tiles) { return tiles <= 2 ? 5 : tiles == 8 ? 3 : 4; }

    // The 16 bytes of four lanes of a row lie in other banks than those of the next row.
    static LOIRE_DEVICE int placeOf(int row, int piece) { return row * kChunkBytes + ((piece ^ ((row & 1) << 2)) * kPieceBytes); }

    // Lanes of a row read every second piece, those of the next row the others.
    static LOIRE_DEVICE int placeOfToken(int row, int piece) { return row * kTokenBytes + ((piece ^ (row & 1)) * kPieceBytes); }

    static LOIRE_DEVICE uint4 load(const unsigned char* at) { return *reinterpret_cast<const uint4*>(at); }
    static LOIRE_DEVICE u32 wordOf(const uint4& four, int i) { return i == 0 ? four.x : i == 1 ? four.y : i == 2 ? four.z : four.w; }

    // Adds one unit, from shared memory: the products of its block first, then those times the scale.
    template <int Tiles>
    static LOIRE_DEVICE void multiply(StreamSums<Tiles>& sums, const unsigned char* stage)
    {
        const int lane = threadIdx.x % kWarp;
        const int warp = threadIdx.x / kWarp;
        const int row = warp * 16 + lane / 4;
        const int quarter = lane % 4;
        const unsigned char* tokens = stage + kWeightBytes;
        StreamSums<Tiles> block;
#pragma unroll
        for (int deep = 0; deep < 2; deep++) // 64 of the chunk's 128
        {
            uint4 codes[2][2]; // half, row and row + 8
#pragma unroll
            for (int half = 0; half < 2; half++)
            {
                codes[half][0] = load(stage + placeOf(half * kHalfRows + row, deep * 4 + quarter));
                codes[half][1] = load(stage + placeOf(half * kHalfRows + row + 8, deep * 4 + quarter));
            }

#pragma unroll
            for (int pair = 0; pair < 2; pair++) // of steps
            {
                u32 a[2][2][4];
#pragma unroll
                for (int half = 0; half < 2; half++)
                {
#pragma unroll
                    for (int step = 0; step < 2; step++)
                    {
                        const u32 upper = wordOf(codes[half][0], pair * 2 + step);
                        const u32 lower = wordOf(codes[half][1], pair * 2 + step);
                        a[half][step][0] = lowBf16(upper);
                        a[half][step][1] = lowBf16(lower);
                        a[half][step][2] = highBf16(upper);
                        a[half][step][3] = highBf16(lower);
                    }
                }

#pragma unroll
                for (int n = 0; n < Tiles; n++)
                {
                    const uint4 four = load(tokens + placeOfToken(n * 8 + lane / 4, deep * 8 + quarter * 2 + pair));
                    const u32 b[2][2] = { { four.x, four.y }, { four.z, four.w } };
#pragma unroll
                    for (int half = 0; half < 2; half++)
                    {
                        if (deep == 0 && pair == 0)
                        {
                            mmaBf16First(block.c[half][n], a[half][0], b[0]);
                        }
                        else
                        {
                            mmaBf16(block.c[half][n], a[half][0], b[0]);
                        }

                        mmaBf16(block.c[half][n], a[half][1], b[1]);
                    }
                }
            }
        }

        addScaled(sums, block, reinterpret_cast<const float*>(stage + stageBytes<e4m3>(Tiles) - kScaleBytes));
    }

    template <int Tiles>
    static LOIRE_DEVICE void addScaled(StreamSums<Tiles>& sums, const StreamSums<Tiles>& block, const float* scales)
    {
#pragma unroll
        for (int half = 0; half < 2; half++)
        {
            const float scale = scales[half];
#pragma unroll
            for (int n = 0; n < Tiles; n++)
            {
#pragma unroll
                for (int j = 0; j < 4; j++)
                {
                    sums.c[half][n][j] = fmaf(scale, block.c[half][n][j], sums.c[half][n][j]);
                }
            }
        }
    }
};

#endif
