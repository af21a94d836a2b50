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

LOIRE_KERNEL void __launch_bounds__(256) synthetic(const SyntheticParameters p)
{
    const i64 step = static_cast<i64>(gridDim.x) * blockDim.x;
    for (i64 i = blockIdx.x * static_cast<i64>(blockDim.x) + threadIdx.x; i < p.count; i += step)
    {
        const u32 bits = mixed(p.seed + static_cast<u64>(p.first + i) * 0xd1342543de82ef95ull);
        const float value = (static_cast<float>(bits >> 8) * (1.0f / 8388608.0f) - 1.0f) * p.bound;
        if (p.isFloat)
        {
            static_cast<float*>(p.target)[i] = value;
        }
        else
        {
            store(static_cast<T*>(p.target) + i, value);
        }
    }
}
