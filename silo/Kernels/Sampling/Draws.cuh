// How a row's token is chosen, as every kernel that chooses reads it: the settings, the host's weights, and what is written.
#ifndef LOIRE_DRAWS
#define LOIRE_DRAWS

#include "Common.cuh"

static constexpr int kMostParts = 8; // of a vocabulary
static constexpr int kMostEnds = 5;

enum ChoiceKind
{
    kNone = 0, // the host chooses
    kBest = 1,
    kDraw = 2
};

// The twin of RowChoice.
struct RowChoice
{
    int kind;
    int topK;            // 0: all
    float scale;         // what differences of logits are multiplied with
    float topP;
    float minP;
    u32 uniformLow;      // bits of a double from 0 to below 1
    u32 uniformHigh;
    int ends[kMostEnds]; // -1: none
};

LOIRE_DEVICE double uniformOf(const RowChoice& choice) { return __hiloint2double(static_cast<int>(choice.uniformHigh), static_cast<int>(choice.uniformLow)); }

// Writes the token of a row; -1: it is not decided.
LOIRE_DEVICE void decide(int* chosen, int* carried, const RowChoice& choice, int token)
{
    bool isEnd = false;
#pragma unroll
    for (int i = 0; i < kMostEnds; i++)
    {
        isEnd |= choice.ends[i] == token;
    }

    *chosen = token;
    *carried = isEnd ? -1 : token;
}

// e^x for x up to 0, to the bit the host's Exponential: each operation rounded, none fused.
LOIRE_DEVICE float exponential(float x)
{
    if (!(x >= -86.6f))
    {
        return 0.0f;
    }

    const float rounder = 12582912.0f; // adding it rounds to an integer, which then stands in the lowest bits
    const float rounded = __fadd_rn(__fmul_rn(x, 1.44269502f), rounder);
    const float n = __fsub_rn(rounded, rounder);
    const float r = __fsub_rn(__fsub_rn(x, __fmul_rn(n, 355.0f / 512.0f)), __fmul_rn(n, -2.12194440e-4f));
    float series = __fadd_rn(__fmul_rn(r, 1.0f / 5040.0f), 1.0f / 720.0f);
    series = __fadd_rn(__fmul_rn(series, r), 1.0f / 120.0f);
    series = __fadd_rn(__fmul_rn(series, r), 1.0f / 24.0f);
    series = __fadd_rn(__fmul_rn(series, r), 1.0f / 6.0f);
    series = __fadd_rn(__fmul_rn(series, r), 1.0f / 2.0f);
    series = __fadd_rn(__fmul_rn(series, r), 1.0f);
    series = __fadd_rn(__fmul_rn(series, r), 1.0f);
    const u32 bits = static_cast<u32>(__float_as_int(series)) + (static_cast<u32>(__float_as_int(rounded)) << 23); // n into the exponent
    return __int_as_float(static_cast<int>(bits));
}

#endif
