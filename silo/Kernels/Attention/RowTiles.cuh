// How the rows of a step are cut into tiles for prefill attention, and what its kernels take.
#pragma once
#include "Common.cuh"

// The twin of AttentionPrefill.Parameters.
struct AttentionPrefillParameters
{
    const bf16* queries;       // [rows, queryStride], turned
    const bf16* keys;          // [pages, keyValueHeads, 64, D], turned, those of this step's rows among them
    const bf16* values;
    bf16* output;              // [rows, heads * D]
    const int* positions;      // [rows]
    const int* firstRow;       // [sequences]
    const int* rowCount;       // [sequences]; those with one row are left alone
    const int* pageTable;      // [sequences, pageStride]
    i64 queryStride;
    i64 pageStride;
    int heads;
    int keyValueHeads;
    int sequences;
    float scale;               // of the scores, times log2(e)
};

struct RowTile
{
    int sequence;   // -1: there are fewer tiles
    int first;      // row of the sequence
};

// Tile index of the sequences with more than one row, each cut into tiles of Rows rows, the last tile of a sequence first: it has most to do.
// Every warp finds it for itself.
template <int Rows>
LOIRE_DEVICE RowTile findTile(const int* rowCount, int sequences, int index)
{
    const int lane = threadIdx.x % kWarp;
    for (int first = 0; first < sequences; first += kWarp)
    {
        const int rows = first + lane < sequences ? rowCount[first + lane] : 0;
        const int tiles = rows > 1 ? (rows + Rows - 1) / Rows : 0;
        int upTo = tiles;
#pragma unroll
        for (int distance = 1; distance < kWarp; distance *= 2)
        {
            const int before = __shfl_up_sync(kAllLanes, upTo, distance);
            upTo += lane >= distance ? before : 0;
        }

        const u32 found = __ballot_sync(kAllLanes, index < upTo);
        if (found != 0)
        {
            const int which = __ffs(found) - 1;
            const int last = __shfl_sync(kAllLanes, upTo, which) - 1; // its first tile, as the last one comes first
            return {first + which, (last - index) * Rows};
        }

        index -= __shfl_sync(kAllLanes, upTo, kWarp - 1);
    }

    return {-1, 0};
}
