// Weights in eight bits: e4m3 numbers, with one fp32 scale for each block of 128 x 128 of a matrix. Compute capability 8.9 on.
//
// A number is a sign, four bits of exponent and three of mantissa: up to 448, in steps of 2^-9 near zero; 0x7f and 0xff are NaN.
// Each of them is a brain float without rounding.
#ifndef LOIRE_FLOAT8
#define LOIRE_FLOAT8
#include "Common.cuh"

struct e4m3 { u8 bits; };

static constexpr int kScaleBlock = 128;   // rows and columns
static constexpr float kMostE4m3 = 448.0f;

// Blocks of so many rows or columns; the last may be a part of one.
LOIRE_DEVICE int blocksOf(int length) { return (length + kScaleBlock - 1) / kScaleBlock; }

#ifdef LOIRE_EMULATED

void floatsOfE4m3(u32 pair, float& low, float& high); // of the lower 16 bits
u8 roundToE4m3(float value);                           // nearest even; beyond 448 it is that; NaN stays NaN
u32 upperHalves(float low, float high);                // as brain floats, cut off

#else

// Two numbers, in the lower 16 bits.
LOIRE_DEVICE void floatsOfE4m3(u32 pair, float& low, float& high)
{
    asm("{\n.reg .b16 codes, none, lowHalf, highHalf;\n.reg .b32 halves;\n"
        "mov.b32 {codes, none}, %2;\n"
        "cvt.rn.f16x2.e4m3x2 halves, codes;\n"
        "mov.b32 {lowHalf, highHalf}, halves;\n"
        "cvt.f32.f16 %0, lowHalf;\n"
        "cvt.f32.f16 %1, highHalf;\n}\n"
        : "=f"(low), "=f"(high) : "r"(pair));
}

// Nearest even; beyond 448 it is that; NaN stays NaN.
LOIRE_DEVICE u8 roundToE4m3(float value)
{
    u16 pair;
    asm("cvt.rn.satfinite.e4m3x2.f32 %0, %1, %2;" : "=h"(pair) : "f"(0.0f), "f"(value));
    return static_cast<u8>(pair);
}

// As brain floats, cut off.
LOIRE_DEVICE u32 upperHalves(float low, float high)
{
    u32 pair;
    asm("prmt.b32 %0, %1, %2, 0x7632;" : "=r"(pair) : "r"(__float_as_uint(low)), "r"(__float_as_uint(high)));
    return pair;
}

#endif

LOIRE_DEVICE float toFloat(e4m3 value)
{
    float low;
    float high;
    floatsOfE4m3(value.bits, low, high);
    return low;
}

// The lower two of four numbers in a word, as brain floats, and the upper two.
LOIRE_DEVICE u32 lowBf16(u32 four)
{
    float low;
    float high;
    floatsOfE4m3(four, low, high);
    return upperHalves(low, high);
}

LOIRE_DEVICE u32 highBf16(u32 four) { return lowBf16(four >> 16); }

#endif
