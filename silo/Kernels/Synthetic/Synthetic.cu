// Numbers that stand in for weights: even between two bounds, the same for the same seed and place on every GPU.
#include "Common.cuh"

// The twin of Synthetic.Parameters.
struct SyntheticParameters
{
    void* target;
    i64 count;
    u64 seed;
    i64 first;       // place of the first number in the sequence
    float bound;     // numbers are in [-bound, bound)
    int isFloat;     // float rather than T
};

// Mixes all bits of a counter: splitmix64.
LOIRE_DEVICE u32 mixed(u64 x)
{
    x += 0x9e3779b97f4a7c15ull;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
    return static_cast<u32>((x ^ (x >> 31)) >> 32);
}

LOIRE_DEVICE float numberAt(u64 seed, i64 place, float bound)
{
    const u32 bits = mixed(seed + static_cast<u64>(place) * 0xd1342543de82ef95ull);
    return (static_cast<float>(bits >> 8) * (1.0f / 8388608.0f) - 1.0f) * bound;
}

LOIRE_DEVICE void put(void* target, i64 i, float value, int isFloat)
{
    if (isFloat)
    {
        static_cast<float*>(target)[i] = value;
    }
    else
    {
        store(static_cast<T*>(target) + i, value);
    }
}

LOIRE_KERNEL void __launch_bounds__(256) synthetic(const SyntheticParameters p)
{
    const i64 step = static_cast<i64>(gridDim.x) * blockDim.x;
    for (i64 i = blockIdx.x * static_cast<i64>(blockDim.x) + threadIdx.x; i < p.count; i += step)
    {
        put(p.target, i, numberAt(p.seed, p.first + i, p.bound), p.isFloat);
    }
}

// The twin of Synthetic.RowsParameters.
struct SyntheticRowsParameters
{
    void* target;      // [rows, columns]
    i64 rows;
    i64 columns;
    i64 sourceStride;  // from one row of the whole matrix to the next, in numbers
    u64 seed;
    i64 first;         // place of the first number of the first row
    float bound;
    int isFloat;
};

// A block has whole rows.
LOIRE_KERNEL void __launch_bounds__(256) synthetic_rows(const SyntheticRowsParameters p)
{
    for (i64 row = blockIdx.x; row < p.rows; row += gridDim.x)
    {
        for (i64 column = threadIdx.x; column < p.columns; column += blockDim.x)
        {
            put(p.target, row * p.columns + column, numberAt(p.seed, p.first + row * p.sourceStride + column, p.bound), p.isFloat);
        }
    }
}
