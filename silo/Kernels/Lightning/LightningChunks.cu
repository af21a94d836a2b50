// Lightning attention of many rows of a sequence, 64 at a time, by matrix products: with m rows in a chunk, i and j inside it, S before it,
//   o_i = e^(-s (i + 1)) q_i^T S + sum over j <= i of e^(-s (i - j)) (q_i . k_j) v_j
//   S  <- e^(-s m) S + sum over j of e^(-s (m - 1 - j)) k_j (x) v_j
// bf16 inputs, 64 or 128 channels; S is fp32 and stays in registers from the first chunk to the last. What is made from the inputs (decayed
// scores, decayed values, S) goes into a product as the sum of two brain floats, so that 16 bits of it count and not 8.
#include "Common.cuh"
#include "Tiles.cuh"

// The twin of LightningChunks.Parameters.
struct LightningChunksParameters
{
    const bf16* qkv;          // [rows, qkvStride], 16-byte aligned; columns 3 D h .. are q | k | v of head h
    float* state;             // [slots, heads, D, D]
    float* output;            // [rows, heads * D]
    const float* slopes;      // [heads], s
    const int* positions;     // [rows]
    const int* firstRow;      // [sequences]
    const int* rowCount;      // [sequences]; those with one row are left alone
    const int* slot;          // [sequences]
    i64 qkvStride;            // in elements, a multiple of 8
    int heads;
};

static constexpr int kWarps = 4;
static constexpr int kThreads = kWarps * kWarp;
static constexpr int kChunk = 64;   // rows; a multiple of it in the sequence begins a chunk
static constexpr int kColumns = 32; // of v and S in a block

template <int D>
struct Stage
{
    bf16 q[kChunk * D];
    bf16 k[kChunk * D];
    bf16 v[kChunk * kColumns];
};

template <int D>
struct Memory
{
    Stage<D> stages[2];
    bf16 valuesHigh[kChunk * kColumns]; // v_j e^(-s (m - 1 - j)), as a sum of two brain floats: exact to 16 bits
    bf16 valuesLow[kChunk * kColumns];
    bf16 stateHigh[D * kColumns];       // S, the same way
    bf16 stateLow[D * kColumns];
    float powers[kChunk + 1];           // e^(-s n)
};

template <int Width>
LOIRE_DEVICE void loadRows(bf16* target, const bf16* source, i64 stride, int rows)
{
    constexpr int Pieces = Width / 8;
#pragma unroll
    for (int i = 0; i < kChunk * Pieces / kThreads; i++)
    {
        const int n = i * kThreads + threadIdx.x;
        const int row = n / Pieces;
        const bool isWanted = row < rows;
        copyAsync16Or0(target + tileOffset<Width>(row, n % Pieces), source + (isWanted ? row * stride : 0) + n % Pieces * 8, isWanted);
    }
}

// Fragment of k^T as a first factor: channels m .. m + 15 are rows, tokens first .. + 15 columns.
template <int D>
LOIRE_DEVICE void loadTurnedKeys(u32 (&a)[4], const bf16* k, int m, int first)
{
    const int lane = threadIdx.x % kWarp;
    loadMatrix4Transposed(a, k + tileOffset<D>(first + lane % 8 + lane / 16 * 8, m / 8 + lane / 8 % 2));
}

template <int D>
LOIRE_DEVICE void loadStage(Stage<D>& stage, const bf16* source, i64 stride, int rows, int column)
{
    loadRows<D>(stage.q, source, stride, rows);
    loadRows<D>(stage.k, source + D, stride, rows);
    loadRows<kColumns>(stage.v, source + 2 * D + column, stride, rows);
}

// v_j e^(-s (m - 1 - j)) into its two parts.
template <int D>
LOIRE_DEVICE void decayValues(Memory<D>& memory, const bf16* v, int rows)
{
#pragma unroll
    for (int i = 0; i < kChunk * kColumns / 8 / kThreads; i++)
    {
        const int n = i * kThreads + threadIdx.x;
        const int row = n / (kColumns / 8);
        const int offset = tileOffset<kColumns>(row, n % (kColumns / 8));
        const float power = memory.powers[max(rows - 1 - row, 0)]; // rows from `rows` on are zero
        float x[8];
        unpack8(*reinterpret_cast<const uint4*>(v + offset), x);
        uint4 high;
        uint4 low;
        split(x[0] * power, x[1] * power, high.x, low.x);
        split(x[2] * power, x[3] * power, high.y, low.y);
        split(x[4] * power, x[5] * power, high.z, low.z);
        split(x[6] * power, x[7] * power, high.w, low.w);
        *reinterpret_cast<uint4*>(memory.valuesHigh + offset) = high;
        *reinterpret_cast<uint4*>(memory.valuesLow + offset) = low;
    }
}

// The warp's rows of S, from registers to the two parts that all warps read.
template <int D>
LOIRE_DEVICE void publishState(Memory<D>& memory, const float (&state)[D / 64][kColumns / 8][4], int warp, int g, int t)
{
#pragma unroll
    for (int m = 0; m < D / 64; m++)
    {
#pragma unroll
        for (int n = 0; n < kColumns / 8; n++)
        {
#pragma unroll
            for (int r = 0; r < 2; r++)
            {
                const int offset = tileOffset<kColumns>(warp * (D / 4) + m * 16 + g + r * 8, n) + t * 2;
                u32 high;
                u32 low;
                split(state[m][n][2 * r], state[m][n][2 * r + 1], high, low);
                *reinterpret_cast<u32*>(memory.stateHigh + offset) = high;
                *reinterpret_cast<u32*>(memory.stateLow + offset) = low;
            }
        }
    }
}

// The warp's 16 rows of the chunk: what comes from the state before it, then what comes from inside.
template <int D>
LOIRE_DEVICE void chunkOutput(const Memory<D>& memory, const Stage<D>& stage, float (&output)[kColumns / 8][4], int warp, int lane)
{
    constexpr int Steps = D / 16;
    const int g = lane / 4;
    const int t = lane % 4;
    const int first = warp * 16;
    float scores[kChunk / 8][4] = {};
#pragma unroll
    for (int k = 0; k < Steps; k++)
    {
        u32 q[4];
        loadMatrix4(q, stage.q + tileOffset<D>(first + lane % 16, 2 * k + lane / 16));
#pragma unroll
        for (int pair = 0; pair < kColumns / 16; pair++)
        {
            u32 b[4];
            loadValues<kColumns>(b, memory.stateHigh, k * 16, pair);
            mmaPair(output[2 * pair], output[2 * pair + 1], q, b);
            loadValues<kColumns>(b, memory.stateLow, k * 16, pair);
            mmaPair(output[2 * pair], output[2 * pair + 1], q, b);
        }

#pragma unroll
        for (int n = 0; n < kChunk / 16; n++)
        {
            if (n <= warp) // later tokens are not seen
            {
                u32 b[4];
                loadKeys<D>(b, stage.k, n * 16, k);
                mmaPair(scores[2 * n], scores[2 * n + 1], q, b);
            }
        }
    }

#pragma unroll
    for (int e = 0; e < 4; e++)
    {
        const int row = first + g + e / 2 * 8;
        const float power = memory.powers[row + 1];
#pragma unroll
        for (int n = 0; n < kColumns / 8; n++)
        {
            output[n][e] *= power;
        }

#pragma unroll
        for (int n = 0; n < kChunk / 8; n++)
        {
            const int distance = row - (n * 8 + t * 2 + e % 2);
            scores[n][e] = distance >= 0 ? scores[n][e] * memory.powers[max(distance, 0)] : 0.0f;
        }
    }

#pragma unroll
    for (int n = 0; n < kChunk / 16; n++)
    {
        if (n <= warp)
        {
            u32 high[4];
            u32 low[4];
#pragma unroll
            for (int i = 0; i < 4; i++)
            {
                split(scores[2 * n + i / 2][i % 2 * 2], scores[2 * n + i / 2][i % 2 * 2 + 1], high[i], low[i]);
            }

#pragma unroll
            for (int pair = 0; pair < kColumns / 16; pair++)
            {
                u32 b[4];
                loadValues<kColumns>(b, stage.v, n * 16, pair);
                mmaPair(output[2 * pair], output[2 * pair + 1], high, b);
                mmaPair(output[2 * pair], output[2 * pair + 1], low, b);
            }
        }
    }
}

// The warp's rows of S after the chunk.
template <int D>
LOIRE_DEVICE void advanceState(const Memory<D>& memory, const Stage<D>& stage, float (&state)[D / 64][kColumns / 8][4], int rows, int warp)
{
    const float power = memory.powers[rows];
#pragma unroll
    for (int m = 0; m < D / 64; m++)
    {
#pragma unroll
        for (int n = 0; n < kColumns / 8; n++)
        {
#pragma unroll
            for (int e = 0; e < 4; e++)
            {
                state[m][n][e] *= power;
            }
        }
    }

#pragma unroll
    for (int step = 0; step < kChunk / 16; step++)
    {
        u32 a[D / 64][4];
#pragma unroll
        for (int m = 0; m < D / 64; m++)
        {
            loadTurnedKeys<D>(a[m], stage.k, warp * (D / 4) + m * 16, step * 16);
        }

#pragma unroll
        for (int pair = 0; pair < kColumns / 16; pair++)
        {
            u32 high[4];
            u32 low[4];
            loadValues<kColumns>(high, memory.valuesHigh, step * 16, pair);
            loadValues<kColumns>(low, memory.valuesLow, step * 16, pair);
#pragma unroll
            for (int m = 0; m < D / 64; m++)
            {
                mmaPair(state[m][2 * pair], state[m][2 * pair + 1], a[m], high);
                mmaPair(state[m][2 * pair], state[m][2 * pair + 1], a[m], low);
            }
        }
    }
}

// Block: (head and some columns of it, sequence).
template <int D>
LOIRE_DEVICE void chunks(const LightningChunksParameters& p)
{
    waitForPrimary();
    launchDependents();
    const int sequence = blockIdx.y;
    const int rows = p.rowCount[sequence];
    if (rows == 1)
    {
        return;
    }

    const int lane = threadIdx.x % kWarp;
    const int warp = threadIdx.x / kWarp;
    const int g = lane / 4;
    const int t = lane % 4;
    const int head = blockIdx.x / (D / kColumns);
    const int column = blockIdx.x % (D / kColumns) * kColumns;
    const i64 firstRow = p.firstRow[sequence];
    const int offset = p.positions[firstRow] % kChunk;
    Memory<D>& memory = *reinterpret_cast<Memory<D>*>(dynamicShared());
    const bf16* source = p.qkv + firstRow * p.qkvStride + static_cast<i64>(head) * 3 * D;

    // 1. The state, and the first chunk.
    int done = 0;
    int count = min(kChunk - offset, rows);
    loadStage<D>(memory.stages[0], source, p.qkvStride, count, column);
    copyAsyncCommit();
    for (int n = threadIdx.x; n <= kChunk; n += kThreads)
    {
        memory.powers[n] = expf(-p.slopes[head] * n);
    }

    float* stored = p.state + ((static_cast<i64>(p.slot[sequence]) * p.heads + head) * D + warp * (D / 4) + g) * D + column + t * 2;
    float state[D / 64][kColumns / 8][4];
#pragma unroll
    for (int m = 0; m < D / 64; m++)
    {
#pragma unroll
        for (int n = 0; n < kColumns / 8; n++)
        {
#pragma unroll
            for (int r = 0; r < 2; r++)
            {
                const float2 two = *reinterpret_cast<const float2*>(stored + (m * 16 + r * 8) * D + n * 8);
                state[m][n][2 * r] = two.x;
                state[m][n][2 * r + 1] = two.y;
            }
        }
    }

    publishState<D>(memory, state, warp, g, t);

    // 2. Chunks; the next one is on its way while one is computed.
    for (int i = 0; done < rows; i++)
    {
        const Stage<D>& stage = memory.stages[i % 2];
        copyAsyncWait<0>();
        __syncthreads(); // the chunk and the state are there, and nobody reads the chunk before
        const int next = done + count;
        const int nextCount = min(kChunk, rows - next);
        if (nextCount > 0)
        {
            loadStage<D>(memory.stages[(i + 1) % 2], source + next * p.qkvStride, p.qkvStride, nextCount, column);
        }

        copyAsyncCommit();
        decayValues<D>(memory, stage.v, count);
        float output[kColumns / 8][4] = {};
        chunkOutput<D>(memory, stage, output, warp, lane);
#pragma unroll
        for (int r = 0; r < 2; r++)
        {
            const int row = warp * 16 + g + r * 8;
            if (row < count)
            {
                float* target = p.output + ((firstRow + done + row) * p.heads + head) * D + column + t * 2;
#pragma unroll
                for (int n = 0; n < kColumns / 8; n++)
                {
                    *reinterpret_cast<float2*>(target + n * 8) = make_float2(output[n][2 * r], output[n][2 * r + 1]);
                }
            }
        }

        __syncthreads(); // the decayed values are there, and nobody reads the state
        advanceState<D>(memory, stage, state, count, warp);
        publishState<D>(memory, state, warp, g, t);
        done = next;
        count = nextCount;
    }

    copyAsyncWait<0>();
#pragma unroll
    for (int m = 0; m < D / 64; m++)
    {
#pragma unroll
        for (int n = 0; n < kColumns / 8; n++)
        {
#pragma unroll
            for (int r = 0; r < 2; r++)
            {
                *reinterpret_cast<float2*>(stored + (m * 16 + r * 8) * D + n * 8) = make_float2(state[m][n][2 * r], state[m][n][2 * r + 1]);
            }
        }
    }
}

LOIRE_KERNEL void __launch_bounds__(kThreads, 2) lightning_chunks_64(const LightningChunksParameters p) { chunks<64>(p); }
LOIRE_KERNEL void __launch_bounds__(kThreads, 2) lightning_chunks_128(const LightningChunksParameters p) { chunks<128>(p); }
