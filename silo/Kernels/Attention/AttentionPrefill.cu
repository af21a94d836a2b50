// Causal softmax attention of many rows of a sequence over its pages, in tiles of rows, with a running maximum. bf16, 64 or 128 channels.
#include "Common.cuh"
#include "Pages.cuh"
#include "Tiles.cuh"
#include "RowTiles.cuh"

static constexpr int kWarps = 4;

// 64 tokens of a page into a tile; those from `tokens` on are zero.
template <int D>
LOIRE_DEVICE void loadPage(bf16* target, const bf16* source, int tokens)
{
    constexpr int Pieces = D / 8;
#pragma unroll
    for (int i = 0; i < kPageTokens * Pieces / (kWarps * kWarp); i++)
    {
        const int n = i * kWarps * kWarp + threadIdx.x;
        const int token = n / Pieces;
        copyAsync16Or0(target + tileOffset<D>(token, n % Pieces), source + n * 8, token < tokens);
    }
}

// Block: (head, tile of 64 * MTiles rows); a warp has 16 * MTiles rows. Dynamic shared memory: the queries, then two pages of keys and values.
template <int D, int MTiles>
LOIRE_DEVICE void prefill(const AttentionPrefillParameters& p)
{
    constexpr int Rows = kWarps * 16 * MTiles;
    constexpr int Pieces = D / 8;
    constexpr int Steps = D / 16;
    constexpr int PageLength = kPageTokens * D;
    waitForPrimary();
    launchDependents();
    const RowTile tile = findTile<Rows>(p.rowCount, p.sequences, blockIdx.y);
    if (tile.sequence < 0)
    {
        return;
    }

    const int lane = threadIdx.x % kWarp;
    const int warp = threadIdx.x / kWarp;
    const int g = lane / 4;
    const int t = lane % 4;
    const int head = blockIdx.x;
    const int keyHead = head / (p.heads / p.keyValueHeads);
    const i64 firstRow = p.firstRow[tile.sequence] + tile.first;
    const int rows = min(Rows, p.rowCount[tile.sequence] - tile.first);
    const int firstPosition = p.positions[firstRow];
    const int tokens = firstPosition + rows;
    const int pages = (tokens + kPageTokens - 1) / kPageTokens;
    const int* table = p.pageTable + tile.sequence * p.pageStride;
    bf16* queries = reinterpret_cast<bf16*>(dynamicShared());
    bf16* stages = queries + Rows * D;

    const bf16* query = p.queries + firstRow * p.queryStride + static_cast<i64>(head) * D;
#pragma unroll
    for (int i = 0; i < Rows * Pieces / (kWarps * kWarp); i++)
    {
        const int n = i * kWarps * kWarp + threadIdx.x;
        const int row = n / Pieces;
        const bool isWanted = row < rows;
        copyAsync16Or0(queries + tileOffset<D>(row, n % Pieces), query + (isWanted ? row * p.queryStride : 0) + n % Pieces * 8, isWanted);
    }

    const auto request = [&](int i, int page)
    {
        if (i < pages)
        {
            const i64 source = pageOffset(page, keyHead, 0, p.keyValueHeads, D);
            bf16* target = stages + i % 2 * 2 * PageLength;
            loadPage<D>(target, p.keys + source, tokens - i * kPageTokens);
            loadPage<D>(target + PageLength, p.values + source, tokens - i * kPageTokens);
        }

        copyAsyncCommit();
    };
    request(0, table[0]);
    int nextPage = pages > 1 ? table[1] : 0;

    float sums[MTiles][D / 8][4] = {};
    float maxima[MTiles][2];
    float weights[MTiles][2] = {};
#pragma unroll
    for (int m = 0; m < MTiles; m++)
    {
        maxima[m][0] = maxima[m][1] = -infinity();
    }

    const int warpRow = warp * 16 * MTiles;
    const int warpPosition = firstPosition + warpRow; // of the warp's first row
    for (int i = 0; i < pages; i++)
    {
        copyAsyncWait<0>();
        __syncthreads(); // the page is there, and everybody is done with the one before
        request(i + 1, nextPage);
        nextPage = i + 2 < pages ? table[i + 2] : 0;
        if (i * kPageTokens > warpPosition + 16 * MTiles - 1 || warpRow >= rows)
        {
            continue; // later than any of the warp's rows
        }

        const bf16* keys = stages + i % 2 * 2 * PageLength;
        const bf16* values = keys + PageLength;
        float scores[MTiles][kPageTokens / 8][4] = {};
#pragma unroll
        for (int k = 0; k < Steps; k++)
        {
            u32 q[MTiles][4];
#pragma unroll
            for (int m = 0; m < MTiles; m++)
            {
                loadMatrix4(q[m], queries + tileOffset<D>(warpRow + m * 16 + lane % 16, 2 * k + lane / 16));
            }

#pragma unroll
            for (int n = 0; n < kPageTokens / 16; n++)
            {
                u32 b[4];
                loadKeys<D>(b, keys, n * 16, k);
#pragma unroll
                for (int m = 0; m < MTiles; m++)
                {
                    mmaPair(scores[m][2 * n], scores[m][2 * n + 1], q[m], b);
                }
            }
        }

        const bool isMasked = (i + 1) * kPageTokens - 1 > warpPosition;
#pragma unroll
        for (int m = 0; m < MTiles; m++)
        {
            if (isMasked)
            {
#pragma unroll
                for (int n = 0; n < kPageTokens / 8; n++)
                {
#pragma unroll
                    for (int e = 0; e < 4; e++)
                    {
                        const int token = i * kPageTokens + n * 8 + t * 2 + e % 2;
                        const int position = warpPosition + m * 16 + g + e / 2 * 8;
                        scores[m][n][e] = token <= position ? scores[m][n][e] : -infinity();
                    }
                }
            }

            float highest[2] = {-infinity(), -infinity()};
#pragma unroll
            for (int n = 0; n < kPageTokens / 8; n++)
            {
#pragma unroll
                for (int e = 0; e < 4; e++)
                {
                    highest[e / 2] = fmaxf(highest[e / 2], scores[m][n][e]);
                }
            }

            float kept[2];
#pragma unroll
            for (int r = 0; r < 2; r++)
            {
                // Every row sees token 0, so that its maximum is finite from the first page on.
                const float most = fmaxf(maxima[m][r], quadMax(highest[r]) * p.scale);
                kept[r] = exp2Fast(maxima[m][r] - most);
                maxima[m][r] = most;
                weights[m][r] *= kept[r];
            }

#pragma unroll
            for (int n = 0; n < kPageTokens / 8; n++)
            {
#pragma unroll
                for (int e = 0; e < 4; e++)
                {
                    scores[m][n][e] = exp2Fast(fmaf(scores[m][n][e], p.scale, -maxima[m][e / 2]));
                    weights[m][e / 2] += scores[m][n][e];
                }
            }

            if (__any_sync(kAllLanes, kept[0] != 1.0f || kept[1] != 1.0f))
            {
#pragma unroll
                for (int n = 0; n < D / 8; n++)
                {
#pragma unroll
                    for (int e = 0; e < 4; e++)
                    {
                        sums[m][n][e] *= kept[e / 2];
                    }
                }
            }
        }

#pragma unroll
        for (int n = 0; n < kPageTokens / 16; n++)
        {
            u32 a[MTiles][4];
#pragma unroll
            for (int m = 0; m < MTiles; m++)
            {
                a[m][0] = packBf16(scores[m][2 * n][0], scores[m][2 * n][1]);
                a[m][1] = packBf16(scores[m][2 * n][2], scores[m][2 * n][3]);
                a[m][2] = packBf16(scores[m][2 * n + 1][0], scores[m][2 * n + 1][1]);
                a[m][3] = packBf16(scores[m][2 * n + 1][2], scores[m][2 * n + 1][3]);
            }

#pragma unroll
            for (int pair = 0; pair < D / 16; pair++)
            {
                u32 b[4];
                loadValues<D>(b, values, n * 16, pair);
#pragma unroll
                for (int m = 0; m < MTiles; m++)
                {
                    mmaPair(sums[m][2 * pair], sums[m][2 * pair + 1], a[m], b);
                }
            }
        }
    }

    copyAsyncWait<0>();
#pragma unroll
    for (int m = 0; m < MTiles; m++)
    {
#pragma unroll
        for (int r = 0; r < 2; r++)
        {
            const int row = warpRow + m * 16 + g + r * 8;
            const float scale = 1.0f / quadSum(weights[m][r]);
            if (row < rows)
            {
                bf16* output = p.output + ((firstRow + row) * p.heads + head) * D + t * 2;
#pragma unroll
                for (int n = 0; n < D / 8; n++)
                {
                    *reinterpret_cast<u32*>(output + n * 8) = packBf16(sums[m][n][2 * r] * scale, sums[m][n][2 * r + 1] * scale);
                }
            }
        }
    }
}

LOIRE_KERNEL void __launch_bounds__(kWarps * kWarp, 2) attention_prefill_64(const AttentionPrefillParameters p) { prefill<64, 2>(p); }
LOIRE_KERNEL void __launch_bounds__(kWarps * kWarp, 2) attention_prefill_128(const AttentionPrefillParameters p) { prefill<128, 2>(p); }
LOIRE_KERNEL void __launch_bounds__(kWarps * kWarp, 2) attention_prefill_128_small(const AttentionPrefillParameters p) { prefill<128, 1>(p); }
