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

void floatsOfE4m3(u32 four, float (&values)[4]);       // from the lowest byte on
u8 roundToE4m3(float value);                           // nearest even; beyond 448 it is that; NaN stays NaN
u32 upperHalves(float low, float high);                // as brain floats, cut off

#else

// The four numbers of a word, from the lowest byte on.
LOIRE_DEVICE void floatsOfE4m3(u32 four, float (&values)[4])
{
    asm("{\n.reg .b16 low, high, h0, h1, h2, h3;\n.reg .b32 lowHalves, highHalves;\n"
        "mov.b32 {low, high}, %4;\n"
        "cvt.rn.f16x2.e4m3x2 lowHalves, low;\n"
        "cvt.rn.f16x2.e4m3x2 highHalves, high;\n"
        "mov.b32 {h0, h1}, lowHalves;\n"
        "mov.b32 {h2, h3}, highHalves;\n"
        "cvt.f32.f16 %0, h0;\n"
        "cvt.f32.f16 %1, h1;\n"
        "cvt.f32.f16 %2, h2;\n"
        "cvt.f32.f16 %3, h3;\n}\n"
        : "=f"(values[0]), "=f"(values[1]), "=f"(values[2]), "=f"(values[3]) : "r"(four));
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
    float values[4];
    floatsOfE4m3(value.bits, values);
    return values[0];
}

// The lower two of four numbers in a word, as brain floats, and the upper two.
LOIRE_DEVICE void bf16OfE4m3(u32 four, u32& low, u32& high)
{
    float values[4];
    floatsOfE4m3(four, values);
    low = upperHalves(values[0], values[1]);
    high = upperHalves(values[2], values[3]);
}

#endif
