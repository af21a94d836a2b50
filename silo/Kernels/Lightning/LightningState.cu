// One token after another: S <- e^(-s) S + k (x) v; o = q^T S, for each head. State fp32 [slot][head][k][v].
#include "Common.cuh"

// The twin of LightningState.Parameters.
struct LightningStateParameters
{
    const void* qkv;          // [rows, qkvStride], T or float; columns 3 d h .. are q | k | v of head h
    float* state;             // [slots, heads, d, d]
    float* output;            // [rows, heads * d]
    const float* decays;      // [heads], e^(-s)
    const int* firstRow;      // [sequences]
    const int* rowCount;      // [sequences]
    const int* slot;          // [sequences]
    i64 qkvStride;            // in elements
    int heads;
    int headDim;
    int fewestRows;           // sequences with fewer rows are left alone, as are those with more than mostRows
    int mostRows;
    int isQkvFloat;
};

LOIRE_DEVICE float inputAt(const LightningStateParameters& p, i64 index)
{
    return p.isQkvFloat ? static_cast<const float*>(p.qkv)[index] : toFloat(static_cast<const T*>(p.qkv)[index]);
}

// ---- Any shape --------------------------------------------------------------------------------------------------------

static constexpr int kTileColumns = 32; // one warp's lanes
static constexpr int kTileWarps = 4;    // each takes every fourth k

// Block: (tile of columns, head, sequence). Holds its columns of the state in shared memory while it walks over the rows.
// Dynamic shared memory: d * 32 floats of state, 2 d of q and k, 4 * 32 of partial sums.
LOIRE_KERNEL void __launch_bounds__(kTileColumns * kTileWarps) lightning_rows(const LightningStateParameters p)
{
    waitForPrimary();
    launchDependents();
    const int sequence = blockIdx.z;
    const int rows = p.rowCount[sequence];
    if (rows < p.fewestRows || rows > p.mostRows)
    {
        return;
    }

    const int d = p.headDim;
    const int head = blockIdx.y;
    const int lane = threadIdx.x % kWarp;
    const int warp = threadIdx.x / kWarp;
    const int column = blockIdx.x * kTileColumns + lane;
    const bool isInside = column < d;
    float* tile = reinterpret_cast<float*>(dynamicShared());
    float* q = tile + d * kTileColumns;
    float* k = q + d;
    float* partial = k + d;

    float* state = p.state + ((static_cast<i64>(p.slot[sequence]) * p.heads + head) * d) * d;
    for (int i = warp; i < d; i += kTileWarps)
    {
        tile[i * kTileColumns + lane] = isInside ? state[static_cast<i64>(i) * d + column] : 0.0f;
    }

    const float decay = p.decays[head];
    const int firstRow = p.firstRow[sequence];
    for (int row = firstRow; row < firstRow + rows; row++)
    {
        const i64 input = row * p.qkvStride + static_cast<i64>(head) * 3 * d;
        for (int i = threadIdx.x; i < d; i += blockDim.x)
        {
            q[i] = inputAt(p, input + i);
            k[i] = inputAt(p, input + d + i);
        }

        __syncthreads();
        const float v = isInside ? inputAt(p, input + 2 * d + column) : 0.0f;
        float sum = 0.0f;
        for (int i = warp; i < d; i += kTileWarps)
        {
            const float s = fmaf(k[i], v, decay * tile[i * kTileColumns + lane]);
            tile[i * kTileColumns + lane] = s;
            sum = fmaf(q[i], s, sum);
        }

        partial[warp * kTileColumns + lane] = sum;
        __syncthreads();
        if (warp == 0 && isInside)
        {
            float total = partial[lane];
            for (int w = 1; w < kTileWarps; w++)
            {
                total += partial[w * kTileColumns + lane];
            }

            p.output[(static_cast<i64>(row) * p.heads + head) * d + column] = total;
        }
    }

    for (int i = warp; i < d; i += kTileWarps)
    {
        if (isInside)
        {
            state[static_cast<i64>(i) * d + column] = tile[i * kTileColumns + lane];
        }
    }
}

// ---- One row of a sequence, d = 64 or 128 -----------------------------------------------------------------------------

// A block reads and writes Columns columns of one head's state, each element once, with all its loads in flight at once:
// a thread holds 4 columns of every Group-th k.
template <int D, int Columns, int Threads>
LOIRE_DEVICE void decode(const LightningStateParameters& p)
{
    constexpr int Lanes = Columns / 4;      // threads for one k
    constexpr int Group = Threads / Lanes;  // ks at a time
    constexpr int Steps = D / Group;
    constexpr int Warps = Threads / kWarp;
    static_assert(Lanes <= kWarp && D % Group == 0, "the threads do not cover the state");
    __shared__ float q[D];
    __shared__ float k[D];
    __shared__ __align__(16) float partial[Warps * Columns];

    const int sequence = blockIdx.y;
    const int rows = p.rowCount[sequence];
    const int slot = p.slot[sequence];
    const i64 row = p.firstRow[sequence];
    if (rows != 1)
    {
        waitForPrimary();
        return;
    }

    const int head = blockIdx.x / (D / Columns);
    const int lane = threadIdx.x % Lanes;
    const int group = threadIdx.x / Lanes;
    const int column = blockIdx.x % (D / Columns) * Columns + lane * 4;
    float* state = p.state + ((static_cast<i64>(slot) * p.heads + head) * D + group) * D + column;
    float4 s[Steps];
#pragma unroll
    for (int i = 0; i < Steps; i++)
    {
        s[i] = loadOnce(state + i * Group * D);
    }

    waitForPrimary(); // the state is no predecessor's: only q, k and v are
    launchDependents();
    const i64 input = row * p.qkvStride + static_cast<i64>(head) * 3 * D;
    for (int i = threadIdx.x; i < D; i += Threads)
    {
        q[i] = inputAt(p, input + i);
        k[i] = inputAt(p, input + D + i);
    }

    const i64 value = input + 2 * D + column;
    const float4 v = make_float4(inputAt(p, value), inputAt(p, value + 1), inputAt(p, value + 2), inputAt(p, value + 3));
    const float decay = p.decays[head];
    __syncthreads();
    float ownQ[Steps]; // read before the stores, which the compiler moves no load across
    float ownK[Steps];
#pragma unroll
    for (int i = 0; i < Steps; i++)
    {
        ownQ[i] = q[group + i * Group];
        ownK[i] = k[group + i * Group];
    }

    float4 sum = make_float4(0.0f, 0.0f, 0.0f, 0.0f);
#pragma unroll
    for (int i = 0; i < Steps; i++)
    {
        s[i].x = fmaf(ownK[i], v.x, decay * s[i].x);
        s[i].y = fmaf(ownK[i], v.y, decay * s[i].y);
        s[i].z = fmaf(ownK[i], v.z, decay * s[i].z);
        s[i].w = fmaf(ownK[i], v.w, decay * s[i].w);
        storeOnce(state + i * Group * D, s[i]);
        sum.x = fmaf(ownQ[i], s[i].x, sum.x);
        sum.y = fmaf(ownQ[i], s[i].y, sum.y);
        sum.z = fmaf(ownQ[i], s[i].z, sum.z);
        sum.w = fmaf(ownQ[i], s[i].w, sum.w);
    }

#pragma unroll
    for (int distance = Lanes; distance < kWarp; distance *= 2)
    {
        sum.x += __shfl_xor_sync(kAllLanes, sum.x, distance);
        sum.y += __shfl_xor_sync(kAllLanes, sum.y, distance);
        sum.z += __shfl_xor_sync(kAllLanes, sum.z, distance);
        sum.w += __shfl_xor_sync(kAllLanes, sum.w, distance);
    }

    const int warp = threadIdx.x / kWarp;
    if (threadIdx.x % kWarp < Lanes)
    {
        *reinterpret_cast<float4*>(partial + warp * Columns + lane * 4) = sum;
    }

    __syncthreads();
    for (int i = threadIdx.x; i < Columns; i += Threads)
    {
        float total = partial[i];
#pragma unroll
        for (int w = 1; w < Warps; w++)
        {
            total += partial[w * Columns + i];
        }

        p.output[(row * p.heads + head) * D + blockIdx.x % (D / Columns) * Columns + i] = total;
    }
}

LOIRE_KERNEL void __launch_bounds__(256, 2) lightning_decode_128(const LightningStateParameters p) { decode<128, 128, 256>(p); }
LOIRE_KERNEL void __launch_bounds__(256, 2) lightning_decode_128_halves(const LightningStateParameters p) { decode<128, 64, 256>(p); }
LOIRE_KERNEL void __launch_bounds__(128, 4) lightning_decode_64(const LightningStateParameters p) { decode<64, 64, 128>(p); }
