// Causal softmax attention of single rows over their pages, each key and value read once: queries that share a key-value head are computed
// together, and the pages of a sequence are split over several blocks. bf16, 64 or 128 channels.
#include "Common.cuh"
#include "Pages.cuh"
#include "Tiles.cuh"

// The twin of AttentionDecode.Parameters.
struct AttentionDecodeParameters
{
    const bf16* queries;       // [rows, queryStride], turned
    const bf16* keys;          // [pages, keyValueHeads, 64, D], turned
    const bf16* values;
    bf16* output;              // [rows, heads * D]
    float* partial;            // [sequences, splits, heads, D + 2]: sums, their maximum, their weight; not used with one split
    const int* positions;      // [rows]
    const int* firstRow;       // [sequences]
    const int* rowCount;       // [sequences]; only those with one row are computed
    const int* pageTable;      // [sequences, pageStride]
    i64 queryStride;
    i64 pageStride;
    int heads;
    int keyValueHeads;
    int splits;
    float scale;               // of the scores, times log2(e)
};

static constexpr int kWarps = 4;       // each takes 16 tokens of every page, by itself
static constexpr int kQueryRows = 16;  // queries of a block, of which as many count as share a key-value head
static constexpr int kStages = 3;      // pages under way

// The 16 tokens of a page that a warp takes.
template <int D>
struct WarpTile
{
    bf16 keys[16 * D];
    bf16 values[16 * D];
};

template <int D>
LOIRE_DEVICE void loadTile(WarpTile<D>& tile, const AttentionDecodeParameters& p, int page, int head, int firstToken, int tokens)
{
    constexpr int Pieces = D / 8;
    const int lane = threadIdx.x % kWarp;
    const i64 source = pageOffset(page, head, firstToken, p.keyValueHeads, D);
#pragma unroll
    for (int i = 0; i < 16 * Pieces / kWarp; i++)
    {
        const int n = i * kWarp + lane;
        const int token = n / Pieces;
        const int piece = n % Pieces;
        const int target = tileOffset<D>(token, piece);
        const i64 from = source + token * D + piece * 8;
        const bool isWanted = token < tokens; // what nobody has written yet may be NaN, which no weight of 0 takes away
        copyAsync16Or0(tile.keys + target, p.keys + from, isWanted);
        copyAsync16Or0(tile.values + target, p.values + from, isWanted);
    }
}

// The page numbers of 32 pages at a time, held by the lanes of a warp; the next 32 are under way.
struct HeldPages
{
    const int* table;
    int count;
    int held;
    int next;

    LOIRE_DEVICE void begin(const int* pages, int pageCount)
    {
        table = pages;
        count = pageCount;
        held = numberOf(threadIdx.x % kWarp);
        next = numberOf(kWarp + threadIdx.x % kWarp);
    }

    // Asked for in order; i < count, and the same for all lanes.
    LOIRE_DEVICE int take(int i)
    {
        if (i % kWarp == 0 && i > 0)
        {
            held = next;
            next = numberOf(i + kWarp + threadIdx.x % kWarp);
        }

        return __shfl_sync(kAllLanes, held, i % kWarp);
    }

    LOIRE_DEVICE int numberOf(int i) const { return i < count ? table[i] : 0; }
};

// Block: (key-value head and 16 of its queries, sequence, split). Dynamic shared memory: kWarps * kStages tiles.
template <int D>
LOIRE_DEVICE void decode(const AttentionDecodeParameters& p)
{
    constexpr int Steps = D / 16;
    const int sequence = blockIdx.y;
    const int rows = p.rowCount[sequence];
    const int row = p.firstRow[sequence];
    if (rows != 1)
    {
        waitForPrimary();
        return;
    }

    const int lane = threadIdx.x % kWarp;
    const int warp = threadIdx.x / kWarp;
    const int g = lane / 4;
    const int t = lane % 4;
    const int share = p.heads / p.keyValueHeads;
    const int groups = (share + kQueryRows - 1) / kQueryRows;
    const int keyHead = blockIdx.x / groups;
    const int firstHead = keyHead * share + blockIdx.x % groups * kQueryRows;
    const int queries = min(kQueryRows, (keyHead + 1) * share - firstHead);
    const int tokens = p.positions[row] + 1;
    const int pages = (tokens + kPageTokens - 1) / kPageTokens;
    const int pagesOfSplit = (pages + p.splits - 1) / p.splits;
    const int firstPage = min(pages, static_cast<int>(blockIdx.z) * pagesOfSplit);
    const int count = min(pages, firstPage + pagesOfSplit) - firstPage;
    const int* table = p.pageTable + sequence * p.pageStride + firstPage;
    WarpTile<D>* tiles = reinterpret_cast<WarpTile<D>*>(dynamicShared()) + warp * kStages;

    // 1. The first pages are requested.
    HeldPages held;
    held.begin(table, count);
    waitForPrimary(); // queries, keys and values are a predecessor's; the step's integers are not
    launchDependents();
    const int firstToken = warp * 16;
    const int tokensOfWarp = tokens - firstPage * kPageTokens - firstToken; // from its first on
#pragma unroll
    for (int i = 0; i < kStages - 1; i++)
    {
        if (i < count)
        {
            loadTile<D>(tiles[i], p, held.take(i), keyHead, firstToken, tokensOfWarp - i * kPageTokens);
        }

        copyAsyncCommit(); // an empty group keeps the count of groups
    }

    // 2. Queries as first factors; rows that do not count are zero.
    u32 q[Steps][4];
    const bf16* query = p.queries + row * p.queryStride + static_cast<i64>(firstHead) * D;
#pragma unroll
    for (int k = 0; k < Steps; k++)
    {
#pragma unroll
        for (int i = 0; i < 4; i++)
        {
            const int head = g + i % 2 * 8;
            q[k][i] = head < queries ? *reinterpret_cast<const u32*>(query + head * D + k * 16 + i / 2 * 8 + t * 2) : 0;
        }
    }

    // 3. Pages, with a running maximum for rows g and g + 8.
    float sums[D / 8][4] = {};
    float maxima[2] = {-infinity(), -infinity()};
    float weights[2] = {0.0f, 0.0f};
    for (int i = 0; i < count; i++)
    {
        copyAsyncWait<kStages - 2>();
        __syncwarp();
        const int coming = i + kStages - 1;
        if (coming < count) // into the tile that the last round has read
        {
            loadTile<D>(tiles[coming % kStages], p, held.take(coming), keyHead, firstToken, tokensOfWarp - coming * kPageTokens);
        }

        copyAsyncCommit();
        const WarpTile<D>& tile = tiles[i % kStages];
        const int left = tokensOfWarp - i * kPageTokens;
        if (left <= 0)
        {
            continue;
        }

        float scores[2][4] = {};
#pragma unroll
        for (int k = 0; k < Steps; k++)
        {
            u32 keys[4];
            loadKeys<D>(keys, tile.keys, 0, k);
            mmaPair(scores[0], scores[1], q[k], keys);
        }

        float highest[2] = {-infinity(), -infinity()};
#pragma unroll
        for (int n = 0; n < 2; n++)
        {
#pragma unroll
            for (int e = 0; e < 4; e++)
            {
                const int token = n * 8 + t * 2 + e % 2;
                scores[n][e] = token < left ? scores[n][e] * p.scale : -infinity();
                highest[e / 2] = fmaxf(highest[e / 2], scores[n][e]);
            }
        }

        float kept[2];
#pragma unroll
        for (int r = 0; r < 2; r++)
        {
            const float most = fmaxf(maxima[r], quadMax(highest[r]));
            kept[r] = exp2Fast(maxima[r] - most);
            maxima[r] = most;
            weights[r] *= kept[r];
        }

#pragma unroll
        for (int n = 0; n < 2; n++)
        {
#pragma unroll
            for (int e = 0; e < 4; e++)
            {
                scores[n][e] = exp2Fast(scores[n][e] - maxima[e / 2]);
                weights[e / 2] += scores[n][e];
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
                    sums[n][e] *= kept[e / 2];
                }
            }
        }

        // As the sum of two brain floats: 16 bits of a weight count, and the tensor cores have time for it.
        u32 high[4];
        u32 low[4];
#pragma unroll
        for (int i = 0; i < 4; i++)
        {
            split(scores[i / 2][i % 2 * 2], scores[i / 2][i % 2 * 2 + 1], high[i], low[i]);
        }

#pragma unroll
        for (int pair = 0; pair < D / 16; pair++)
        {
            u32 values[4];
            loadValues<D>(values, tile.values, 0, pair);
            mmaPair(sums[2 * pair], sums[2 * pair + 1], high, values);
            mmaPair(sums[2 * pair], sums[2 * pair + 1], low, values);
        }
    }

    copyAsyncWait<0>();
    __syncthreads(); // the tiles are done with: their memory now takes the warps' parts

    // 4. The warps' parts, brought to a common maximum, in the warps' order.
    float* parts = reinterpret_cast<float*>(dynamicShared()); // [kWarps][16][D], then maxima and weights [kWarps][16]
    float* partMaxima = parts + kWarps * kQueryRows * D;
    float* partWeights = partMaxima + kWarps * kQueryRows;
#pragma unroll
    for (int n = 0; n < D / 8; n++)
    {
#pragma unroll
        for (int r = 0; r < 2; r++)
        {
            *reinterpret_cast<float2*>(parts + (warp * kQueryRows + g + r * 8) * D + n * 8 + t * 2) = make_float2(sums[n][2 * r], sums[n][2 * r + 1]);
        }
    }

#pragma unroll
    for (int r = 0; r < 2; r++)
    {
        const float weight = quadSum(weights[r]);
        if (t == 0)
        {
            partMaxima[warp * kQueryRows + g + r * 8] = maxima[r];
            partWeights[warp * kQueryRows + g + r * 8] = weight;
        }
    }

    __syncthreads();
    for (int n = threadIdx.x; n < queries * D; n += blockDim.x)
    {
        const int query = n / D;
        const int c = n % D;
        float most = partMaxima[query];
#pragma unroll
        for (int w = 1; w < kWarps; w++)
        {
            most = fmaxf(most, partMaxima[w * kQueryRows + query]);
        }

        float value = 0.0f;
        float weight = 0.0f;
#pragma unroll
        for (int w = 0; w < kWarps; w++)
        {
            // A split without a page has no maximum at all.
            const float factor = most == -infinity() ? 0.0f : exp2Fast(partMaxima[w * kQueryRows + query] - most);
            value = fmaf(parts[(w * kQueryRows + query) * D + c], factor, value);
            weight = fmaf(partWeights[w * kQueryRows + query], factor, weight);
        }

        const int head = firstHead + query;
        if (p.splits == 1)
        {
            store(p.output + (static_cast<i64>(row) * p.heads + head) * D + c, value / weight);
            continue;
        }

        float* partial = p.partial + ((static_cast<i64>(sequence) * p.splits + blockIdx.z) * p.heads + head) * (D + 2);
        partial[c] = value;
        if (c == 0)
        {
            partial[D] = most;
            partial[D + 1] = weight;
        }
    }
}

// Block: (head, sequence), a thread a channel. Brings the splits, 32 at most, together.
template <int D>
LOIRE_DEVICE void combine(const AttentionDecodeParameters& p)
{
    const int sequence = blockIdx.y;
    const int rows = p.rowCount[sequence];
    const i64 row = p.firstRow[sequence];
    waitForPrimary();
    launchDependents();
    if (rows != 1)
    {
        return;
    }

    const int head = blockIdx.x;
    const int c = threadIdx.x;
    const float* partial = p.partial + (static_cast<i64>(sequence) * p.splits * p.heads + head) * (D + 2);
    const i64 stride = static_cast<i64>(p.heads) * (D + 2);
    // 1. Each lane has a split's maximum and weight.
    const int lane = threadIdx.x % kWarp;
    const bool isSplit = lane < p.splits;
    const float maximum = isSplit ? partial[lane * stride + D] : -infinity();
    const float factor = exp2Fast(maximum - warpMax(maximum)); // 0 for a split without a page
    const float weight = warpSum(isSplit ? partial[lane * stride + D + 1] * factor : 0.0f);

    // 2. The sums, in the splits' order, several loads under way.
    float value = 0.0f;
#pragma unroll 8
    for (int s = 0; s < p.splits; s++)
    {
        value = fmaf(partial[s * stride + c], __shfl_sync(kAllLanes, factor, s), value);
    }

    store(p.output + (row * p.heads + head) * D + c, value / weight);
}

LOIRE_KERNEL void __launch_bounds__(kWarps * kWarp) attention_decode_64(const AttentionDecodeParameters p) { decode<64>(p); }
LOIRE_KERNEL void __launch_bounds__(kWarps * kWarp) attention_decode_128(const AttentionDecodeParameters p) { decode<128>(p); }
LOIRE_KERNEL void __launch_bounds__(64) attention_combine_64(const AttentionDecodeParameters p) { combine<64>(p); }
LOIRE_KERNEL void __launch_bounds__(128) attention_combine_128(const AttentionDecodeParameters p) { combine<128>(p); }
