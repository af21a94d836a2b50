// Pages of keys and values as tiles in shared memory, and the products that attention makes of them. bf16, D channels, 64 tokens a page.
//
// A tile is [tokens][D]; the 16-byte pieces of token t are stored in the order piece ^ (t % 8), so that the eight rows that a matrix load
// takes at once lie in different banks. With D = 32, two tokens share the 128 bytes of all banks: piece ^ (t / 2 % 4).
#pragma once
#include "Common.cuh"
#include "Pages.cuh"

static constexpr float kLog2E = 1.4426950408889634f;

template <int D>
LOIRE_DEVICE int tileOffset(int token, int piece)
{
    static_assert(D == 32 || D % 64 == 0, "there is no order of pieces for this width");
    return token * D + ((piece ^ (D == 32 ? token / 2 % 4 : token % 8)) * 8);
}

// Fragment of keys as the second factor of q k^T: tokens first .. first + 15, channels 16 step .. + 15; b[0..1] and b[2..3] for 8 tokens each.
template <int D>
LOIRE_DEVICE void loadKeys(u32 (&b)[4], const bf16* tile, int first, int step)
{
    const int lane = threadIdx.x % kWarp;
    loadMatrix4(b, tile + tileOffset<D>(first + lane % 8 + lane / 16 * 8, 2 * step + lane / 8 % 2));
}

// Fragment of values as the second factor of p v: tokens first .. first + 15, channels 16 pair .. + 15; b[0..1] and b[2..3] for 8 channels each.
template <int D>
LOIRE_DEVICE void loadValues(u32 (&b)[4], const bf16* tile, int first, int pair)
{
    const int lane = threadIdx.x % kWarp;
    loadMatrix4Transposed(b, tile + tileOffset<D>(first + lane % 16, 2 * pair + lane / 16));
}

// The upper 8 bits of two numbers, and what is left of them.
LOIRE_DEVICE void split(float a, float b, u32& high, u32& low)
{
    high = packBf16(a, b);
    low = packBf16(a - lowFloat(high), b - highFloat(high));
}

// The two factors of a row of 16 fragments that belong together.
LOIRE_DEVICE void mmaPair(float (&c0)[4], float (&c1)[4], const u32 (&a)[4], const u32 (&b)[4])
{
    const u32 first[2] = {b[0], b[1]};
    const u32 second[2] = {b[2], b[3]};
    mmaBf16(c0, a, first);
    mmaBf16(c1, a, second);
}

// Over the four lanes that share a row of a fragment.
LOIRE_DEVICE float quadMax(float value)
{
    value = fmaxf(value, __shfl_xor_sync(kAllLanes, value, 1));
    return fmaxf(value, __shfl_xor_sync(kAllLanes, value, 2));
}

LOIRE_DEVICE float quadSum(float value)
{
    value += __shfl_xor_sync(kAllLanes, value, 1);
    return value + __shfl_xor_sync(kAllLanes, value, 2);
}
