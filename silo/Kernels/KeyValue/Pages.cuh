// Where keys and values of the softmax layers lie: [page][key-value head][token 0..63][channel], keys and values apart.
#pragma once
#include "Common.cuh"

static constexpr int kPageTokens = 64;

LOIRE_DEVICE i64 pageOffset(int page, int head, int token, int heads, int headDim)
{
    return ((static_cast<i64>(page) * heads + head) * kPageTokens + token) * headDim;
}
