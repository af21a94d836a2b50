// Causal softmax attention of many rows of a sequence over its pages by warpgroup products: what AttentionPrefill.cu does, on compute capability
// 9.0. bf16, 128 channels.
//
// A tile is 128 rows, 64 for each of two warpgroups. While the scores of a page become weights, the tensor cores multiply the weights of the page
// before by its values, and the queries by the keys of the page after.
#include "Common.cuh"
#include "Pages.cuh"
#include "Tiles.cuh"
#include "RowTiles.cuh"
#include "GroupPages.cuh"

static constexpr int kChannels = 128;
static constexpr int kGroupRows = 64;
static constexpr int kGroups = 2;
static constexpr int kThreads = kGroups * 128;
static constexpr int kRows = kGroups * kGroupRows;
static constexpr int kSteps = kChannels / 16;
static constexpr int kPageBytes = kPageTokens * kChannels * 2;
static constexpr int kKeyStages = 2;
static constexpr int kValueStages = 3; // the product with the page before may still read one

struct Tile
{
    const AttentionPrefillParameters* p;
    unsigned char* keys;
    unsigned char* values;
    const int* table;
    int keyHead;
    int tokens;
    int pages;
    int ownPages;        // that the warpgroup's rows see
    int warpPosition;    // of the warp's first row
    int keyPage;         // number of the page that is requested next, for its keys
    int valuePage;
};

struct Running
{
    float sums[64];
    float maxima[2];
    float weights[2];
};

LOIRE_DEVICE void loadPage(unsigned char* target, const bf16* source, int tokens)
{
#pragma unroll
    for (int i = 0; i < kPageTokens * (kChannels / 8) / kThreads; i++)
    {
        const int n = i * kThreads + threadIdx.x;
        const int token = n / (kChannels / 8);
        copyAsync16Or0(target + panelOffset(token, n % (kChannels / 8)), source + n * 8, token < tokens);
    }
}

// Keys of page i + 1 and values of page i, as one group.
LOIRE_DEVICE void request(Tile& tile, int i)
{
    if (i + 1 < tile.pages)
    {
        const bf16* source = tile.p->keys + pageOffset(tile.keyPage, tile.keyHead, 0, tile.p->keyValueHeads, kChannels);
        loadPage(tile.keys + (i + 1) % kKeyStages * kPageBytes, source, tile.tokens - (i + 1) * kPageTokens);
    }

    if (i >= 0 && i < tile.pages)
    {
        const bf16* source = tile.p->values + pageOffset(tile.valuePage, tile.keyHead, 0, tile.p->keyValueHeads, kChannels);
        loadPage(tile.values + i % kValueStages * kPageBytes, source, tile.tokens - i * kPageTokens);
    }

    copyAsyncCommit();
    tile.valuePage = tile.keyPage;
    tile.keyPage = i + 2 < tile.pages ? tile.table[i + 2] : 0;
}

LOIRE_DEVICE void enqueueScores(float (&scores)[32], const u32 (&q)[kSteps][4], const unsigned char* keys)
{
    groupBegin();
#pragma unroll
    for (int k = 0; k < kSteps; k++)
    {
        groupMmaKeys(scores, q[k], keysOperand(keys, k), k > 0);
    }
}

// Scores to weights against the running maximum; kept: what earlier sums are to be multiplied by.
LOIRE_DEVICE void weigh(float (&scores)[32], Running& running, float (&kept)[2], const Tile& tile, int page)
{
    const int lane = threadIdx.x % kWarp;
    if ((page + 1) * kPageTokens - 1 > tile.warpPosition)
    {
#pragma unroll
        for (int i = 0; i < 32; i++)
        {
            const int token = page * kPageTokens + i / 4 * 8 + lane % 4 * 2 + i % 2;
            scores[i] = token <= tile.warpPosition + lane / 4 + i % 4 / 2 * 8 ? scores[i] : -infinity();
        }
    }

    float highest[2] = {-infinity(), -infinity()};
#pragma unroll
    for (int i = 0; i < 32; i++)
    {
        highest[i % 4 / 2] = fmaxf(highest[i % 4 / 2], scores[i]);
    }

#pragma unroll
    for (int r = 0; r < 2; r++)
    {
        // Every row sees token 0, so that its maximum is finite from the first page on.
        const float most = fmaxf(running.maxima[r], quadMax(highest[r]) * tile.p->scale);
        kept[r] = exp2Fast(running.maxima[r] - most);
        running.maxima[r] = most;
        running.weights[r] *= kept[r];
    }

#pragma unroll
    for (int i = 0; i < 32; i++)
    {
        scores[i] = exp2Fast(fmaf(scores[i], tile.p->scale, -running.maxima[i % 4 / 2]));
        running.weights[i % 4 / 2] += scores[i];
    }
}

// Waits for keys of page i + 1 and values of page i, and asks for the next of each: nobody reads keys of page i or values of page i - 2 any more.
LOIRE_DEVICE void beginPage(Tile& tile, int i)
{
    copyAsyncWait<0>();
    publishShared();
    __syncthreads();
    request(tile, i + 1);
}

// Weights of page i times its values, onto what came before.
LOIRE_DEVICE void enqueueSums(Running& running, const float (&scores)[32], const float (&kept)[2], const unsigned char* values)
{
    u32 weights[kPageTokens / 16][4];
#pragma unroll
    for (int n = 0; n < kPageTokens / 4; n++)
    {
        weights[n / 4][n % 4] = packBf16(scores[2 * n], scores[2 * n + 1]);
    }

#pragma unroll
    for (int n = 0; n < 64; n++)
    {
        running.sums[n] *= kept[n % 4 / 2];
    }

    groupBegin();
#pragma unroll
    for (int n = 0; n < kPageTokens / 16; n++)
    {
        groupMmaValues(running.sums, weights[n], valuesOperand(values, n), true);
    }

    groupCommit();
}

// Page i, whose scores are there: it leaves its sums under way, and the scores of the page after it in `next`.
// Series of products are begun and awaited in a fixed order without a branch, as the compiler has to see which registers are in use.
LOIRE_DEVICE void onePage(Tile& tile, Running& running, const u32 (&q)[kSteps][4], float (&scores)[32], float (&next)[32], int i)
{
    beginPage(tile, i);
    enqueueScores(next, q, tile.keys + (i + 1) % kKeyStages * kPageBytes);
    groupCommit();
    float kept[2];
    weigh(scores, running, kept, tile, i);
    groupWait<1>(); // the sums of page i - 1
    groupKeep(running.sums);
    enqueueSums(running, scores, kept, tile.values + i % kValueStages * kPageBytes);
    groupWait<1>(); // the scores of page i + 1
    groupKeep(next);
}

// The last page that the warpgroup's rows see.
LOIRE_DEVICE void lastPage(Tile& tile, Running& running, float (&scores)[32], int i)
{
    beginPage(tile, i);
    float kept[2];
    weigh(scores, running, kept, tile, i);
    groupWait<0>();
    groupKeep(running.sums);
    enqueueSums(running, scores, kept, tile.values + i % kValueStages * kPageBytes);
    groupWait<0>();
    groupKeep(running.sums);
}

// Block: (head, tile). Dynamic shared memory: queries, keys, values, and 1024 bytes to begin at a multiple of them.
LOIRE_KERNEL void __launch_bounds__(kThreads, 1) attention_prefill_groups_128(const __grid_constant__ AttentionPrefillParameters p)
{
    waitForPrimary();
    launchDependents();
    const RowTile place = findTile<kRows>(p.rowCount, p.sequences, blockIdx.y);
    if (place.sequence < 0)
    {
        return;
    }

    const int lane = threadIdx.x % kWarp;
    const int warp = threadIdx.x / kWarp;
    const int head = blockIdx.x;
    const i64 firstRow = p.firstRow[place.sequence] + place.first;
    const int rows = min(kRows, p.rowCount[place.sequence] - place.first);
    const int firstPosition = p.positions[firstRow];
    const int groupRow = warp / 4 * kGroupRows;
    const int groupRows = min(kGroupRows, rows - groupRow);

    unsigned char* memory = dynamicShared();
    memory += (1024 - sharedAddress(memory) % 1024) % 1024;
    bf16* queries = reinterpret_cast<bf16*>(memory);
    Tile tile;
    tile.p = &p;
    tile.keys = memory + kRows * kChannels * 2;
    tile.values = tile.keys + kKeyStages * kPageBytes;
    tile.table = p.pageTable + place.sequence * p.pageStride;
    tile.keyHead = head / (p.heads / p.keyValueHeads);
    tile.tokens = firstPosition + rows;
    tile.pages = (tile.tokens + kPageTokens - 1) / kPageTokens;
    tile.ownPages = groupRows > 0 ? (firstPosition + groupRow + groupRows - 1) / kPageTokens + 1 : 0;
    tile.warpPosition = firstPosition + warp * 16;
    tile.keyPage = tile.table[0];
    tile.valuePage = 0;

    // 1. Queries and the first page's keys; then its values and the second one's keys.
    const bf16* query = p.queries + firstRow * p.queryStride + static_cast<i64>(head) * kChannels;
#pragma unroll
    for (int i = 0; i < kRows * (kChannels / 8) / kThreads; i++)
    {
        const int n = i * kThreads + threadIdx.x;
        const int row = n / (kChannels / 8);
        const int piece = n % (kChannels / 8);
        copyAsync16Or0(queries + tileOffset<kChannels>(row, piece), query + (row < rows ? row * p.queryStride : 0) + piece * 8, row < rows);
    }

    request(tile, -1);
    request(tile, 0);
    copyAsyncWait<1>();
    publishShared();
    __syncthreads();
    u32 q[kSteps][4];
#pragma unroll
    for (int k = 0; k < kSteps; k++)
    {
        loadMatrix4(q[k], queries + tileOffset<kChannels>(warp * 16 + lane % 16, 2 * k + lane / 16));
    }

    Running running = {};
    running.maxima[0] = running.maxima[1] = -infinity();
    float even[32] = {};
    float odd[32] = {};
    enqueueScores(even, q, tile.keys);
    groupCommit();
    groupWait<0>();
    groupKeep(even);

    // 2. Pages, two at a time, so that each has its own registers for its scores. A warpgroup whose rows see fewer keeps step with the other.
    int i = 0;
    for (; i + 2 < tile.ownPages; i += 2)
    {
        onePage(tile, running, q, even, odd, i);
        onePage(tile, running, q, odd, even, i + 1);
    }

    if (i + 1 < tile.ownPages)
    {
        onePage(tile, running, q, even, odd, i);
        lastPage(tile, running, odd, i + 1);
        i += 2;
    }
    else if (i < tile.ownPages)
    {
        lastPage(tile, running, even, i);
        i++;
    }

    for (; i < tile.pages; i++)
    {
        beginPage(tile, i);
    }

    copyAsyncWait<0>();
#pragma unroll
    for (int r = 0; r < 2; r++)
    {
        const int row = warp * 16 + lane / 4 + r * 8;
        const float scale = 1.0f / quadSum(running.weights[r]);
        if (row < rows)
        {
            bf16* output = p.output + ((firstRow + row) * p.heads + head) * kChannels + lane % 4 * 2;
#pragma unroll
            for (int n = 0; n < kChannels / 8; n++)
            {
                *reinterpret_cast<u32*>(output + n * 8) = packBf16(running.sums[4 * n + 2 * r] * scale, running.sums[4 * n + 2 * r + 1] * scale);
            }
        }
    }
}
