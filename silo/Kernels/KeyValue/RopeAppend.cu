// Turns queries and keys by their positions and writes keys and values into their pages.
#include "Common.cuh"
#include "Pages.cuh"

// The twin of RopeAppend.Parameters.
struct RopeAppendParameters
{
    const void* qkv;                   // [rows, qkvStride], T or float: queries of all heads, keys of all key-value heads, values of the same
    T* queries;                        // [rows, queryStride]; may be the queries of qkv, where that is T
    T* keys;                           // [pages, keyValueHeads, 64, headDim]
    T* values;                         // the same
    const float* inverseFrequencies;   // [rotaryDim / 2]
    const int* positions;              // [rows]
    const int* sequenceOfRow;          // [rows]
    const int* pageTable;              // [sequences, pageStride]
    i64 qkvStride;
    i64 queryStride;
    i64 pageStride;
    int heads;
    int keyValueHeads;
    int headDim;
    int rotaryDim;
    int isQkvFloat;
};

LOIRE_DEVICE float inputAt(const RopeAppendParameters& p, i64 index)
{
    return p.isQkvFloat ? static_cast<const float*>(p.qkv)[index] : toFloat(static_cast<const T*>(p.qkv)[index]);
}

// The sine and cosine of an angle of any size, to fp32: reduced in double precision first.
LOIRE_DEVICE void sineCosine(float angle, float* sine, float* cosine)
{
    const double turns = rint(static_cast<double>(angle) * 0.15915494309189535);
    sincosf(static_cast<float>(static_cast<double>(angle) - turns * 6.283185307179586), sine, cosine);
}

// Channel c of the head that begins there, turned: channels c and c + R/2 are a pair.
LOIRE_DEVICE float turned(const RopeAppendParameters& p, i64 head, int c, int half, const float* cosines, const float* sines)
{
    if (c >= 2 * half)
    {
        return inputAt(p, head + c);
    }

    const int i = c < half ? c : c - half;
    const float a = inputAt(p, head + i);
    const float b = inputAt(p, head + i + half);
    return c < half ? a * cosines[i] - b * sines[i] : b * cosines[i] + a * sines[i];
}

// Block: (row, part of its heads). Dynamic shared memory: rotaryDim floats.
// Where queries lie in qkv, each thread turns whole pairs, so that nobody reads what somebody has turned.
LOIRE_KERNEL void __launch_bounds__(256) rope_append(const RopeAppendParameters p)
{
    const int row = blockIdx.x;
    const int half = p.rotaryDim / 2;
    float* cosines = reinterpret_cast<float*>(dynamicShared());
    float* sines = cosines + half;
    const int position = p.positions[row];
    const int page = p.pageTable[p.sequenceOfRow[row] * p.pageStride + position / kPageTokens];
    for (int i = threadIdx.x; i < half; i += blockDim.x)
    {
        sineCosine(static_cast<float>(position) * p.inverseFrequencies[i], sines + i, cosines + i);
    }

    __syncthreads();
    waitForPrimary();
    launchDependents();
    const int d = p.headDim;
    const int first = blockIdx.y * blockDim.x + threadIdx.x;
    const int stride = gridDim.y * blockDim.x;
    const i64 input = row * p.qkvStride;
    T* queries = p.queries + row * p.queryStride;
    for (int n = first; n < p.heads * half; n += stride)
    {
        const int c = n / half * d + n % half;
        const float a = inputAt(p, input + c);
        const float b = inputAt(p, input + c + half);
        store(queries + c, a * cosines[n % half] - b * sines[n % half]);
        store(queries + c + half, b * cosines[n % half] + a * sines[n % half]);
    }

    const int kept = queries == static_cast<const T*>(p.qkv) + input ? 0 : d - 2 * half;
    for (int n = first; n < p.heads * kept; n += stride)
    {
        const int c = n / kept * d + 2 * half + n % kept;
        store(queries + c, inputAt(p, input + c));
    }

    const i64 keys = input + static_cast<i64>(p.heads) * d;
    const i64 values = keys + static_cast<i64>(p.keyValueHeads) * d;
    for (int n = first; n < p.keyValueHeads * d; n += stride)
    {
        const int head = n / d;
        const int c = n % d;
        const i64 target = pageOffset(page, head, position % kPageTokens, p.keyValueHeads, d) + c;
        store(p.keys + target, turned(p, keys + head * d, c, half, cosines, sines));
        store(p.values + target, inputAt(p, values + n));
    }
}
