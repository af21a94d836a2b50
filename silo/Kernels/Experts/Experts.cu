#include "Experts.cuh"
#include "Linear.cuh"

static constexpr int kRows = 4;

struct ExpertGroup
{
    int entries[kRows];
    int experts[kRows]; // -1: not here
    int count;
    bool isOne;         // all have the same expert
};

LOIRE_DEVICE ExpertGroup groupAt(const ExpertsParameters& p, int first)
{
    ExpertGroup group;
    group.count = min(kRows, p.entries - first);
    group.isOne = true;
    for (int r = 0; r < kRows; r++)
    {
        group.entries[r] = p.order[first + min(r, group.count - 1)];
        const int expert = p.choices[group.entries[r]] - p.firstExpert;
        group.experts[r] = expert >= 0 && expert < p.expertCount ? expert : -1;
        group.isOne = group.isOne && group.experts[r] == group.experts[0];
    }

    return group;
}

// A row of a matrix, as numbers: `matrix` says which of several of the same shape.
#ifdef LOIRE_WEIGHTS_E4M3
struct WeightRow
{
    const e4m3* codes;
    const float* scales;

    LOIRE_DEVICE float operator[](int k) const { return toFloat(codes[k]) * scales[k / kScaleBlock]; }
};

LOIRE_DEVICE WeightRow weightRow(const e4m3* w, const float* scales, i64 matrix, int rows, int row, int depth)
{
    return { w + (matrix * rows + row) * depth, scales + (matrix * blocksOf(rows) + row / kScaleBlock) * blocksOf(depth) };
}
#else
LOIRE_DEVICE const T* weightRow(const T* w, const float*, i64 matrix, int rows, int row, int depth) { return w + (matrix * rows + row) * depth; }
#endif

// Matrices of the experts: `each` of an expert, of which this is number `which`.
struct ExpertMatrices
{
    const W* w;
    const float* scales;
    int each;
    int which;
    int rows;
    int depth;
};

// Dot products of the group's rows with row `at` of each one's matrix; 0 for experts that are not here.
LOIRE_DEVICE void groupDots(const ExpertGroup& group, const ExpertMatrices& m, int at, const T* const (&x)[kRows], float (&sums)[kRows])
{
    if (group.isOne && group.experts[0] >= 0)
    {
        warpDots<kRows>(weightRow(m.w, m.scales, static_cast<i64>(group.experts[0]) * m.each + m.which, m.rows, at, m.depth), x, m.depth, sums);
        return;
    }

    for (int r = 0; r < kRows; r++)
    {
        sums[r] = 0.0f;
        if (r < group.count && group.experts[r] >= 0)
        {
            const T* const row[1] = { x[r] };
            float sum[1];
            warpDots<1>(weightRow(m.w, m.scales, static_cast<i64>(group.experts[r]) * m.each + m.which, m.rows, at, m.depth), row, m.depth, sum);
            sums[r] = sum[0];
        }
    }
}

// Any shape: a warp computes one element of the product for kRows places.
LOIRE_KERNEL void __launch_bounds__(256) experts_gate_up_any(const __grid_constant__ ExpertsParameters p)
{
    const int column = blockIdx.x * (blockDim.x / kWarp) + threadIdx.x / kWarp;
    const int first = blockIdx.y * kRows;
    if (column >= p.width)
    {
        return;
    }

    const ExpertGroup group = groupAt(p, first);
    const T* x[kRows];
    for (int r = 0; r < kRows; r++)
    {
        x[r] = p.x + static_cast<i64>(group.entries[r] / p.topK) * p.hidden;
    }

    float gates[kRows];
    float ups[kRows];
    groupDots(group, { p.gateUp, p.gateUpScales, 2, 0, p.width, p.hidden }, column, x, gates);
    groupDots(group, { p.gateUp, p.gateUpScales, 2, 1, p.width, p.hidden }, column, x, ups);
    if (threadIdx.x % kWarp == 0)
    {
        for (int r = 0; r < group.count; r++)
        {
            if (group.experts[r] >= 0)
            {
                store(p.activated + static_cast<i64>(first + r) * p.width + column, silu(gates[r]) * ups[r]);
            }
        }
    }
}

LOIRE_KERNEL void __launch_bounds__(256) experts_down_any(const __grid_constant__ ExpertsParameters p)
{
    const int column = blockIdx.x * (blockDim.x / kWarp) + threadIdx.x / kWarp;
    const int first = blockIdx.y * kRows;
    if (column >= p.hidden)
    {
        return;
    }

    const ExpertGroup group = groupAt(p, first);
    const T* x[kRows];
    for (int r = 0; r < kRows; r++)
    {
        x[r] = p.activated + static_cast<i64>(first + min(r, group.count - 1)) * p.width;
    }

    float sums[kRows];
    groupDots(group, { p.down, p.downScales, 1, 0, p.hidden, p.width }, column, x, sums);
    if (threadIdx.x % kWarp == 0)
    {
        for (int r = 0; r < group.count; r++)
        {
            if (group.experts[r] >= 0)
            {
                p.y[static_cast<i64>(group.entries[r]) * p.hidden + column] = sums[r];
            }
        }
    }
}

#ifdef LOIRE_T_BF16
#include "Stream.cuh"
#ifdef LOIRE_WEIGHTS_E4M3
#include "StreamFloat8.cuh"

// Of a tile's rows, from `row` of a matrix on: a half has rows of one block.
LOIRE_DEVICE const float* scalesOf(const float* scales, i64 matrix, int rows, int row, int depth)
{
    return scales + (matrix * blocksOf(rows) + row / kScaleBlock) * blocksOf(depth);
}
#else
LOIRE_DEVICE const float* scalesOf(const float*, i64, int, int, int) { return nullptr; }
#endif

// 64 gate rows and the 64 up rows beside them, so that a thread holds both halves of each product.
template <int Tiles>
struct GateUpProblem
{
    typedef W Weight;

    static constexpr bool kReadsChoices = true; // that the kernel before wrote

    const ExpertsParameters& p;
    const ExpertTiles& tiles;
    int depth;
    int chunks;

    LOIRE_DEVICE GateUpProblem(const ExpertsParameters& parameters, const ExpertTiles& t) : p(parameters), tiles(t), depth(parameters.hidden), chunks(chunksOf<W>(parameters.hidden)) {}

    static LOIRE_DEVICE int rowTiles(const ExpertsParameters& p) { return (p.width + kHalfRows - 1) / kHalfRows; }

    LOIRE_DEVICE StreamTile<W> tileAt(int index) const
    {
        const ExpertPlace place = placeOf(p, tiles, index, 8 * Tiles);
        const i64 matrix = static_cast<i64>(p.width) * depth;
        const int row = place.rowTile * kHalfRows;
        StreamTile<W> tile;
        tile.halves[0] = p.gateUp + place.expert * 2 * matrix + static_cast<i64>(row) * depth;
        tile.halves[1] = tile.halves[0] + matrix;
        tile.scales[0] = scalesOf(p.gateUpScales, 2LL * place.expert, p.width, row, depth);
        tile.scales[1] = scalesOf(p.gateUpScales, 2LL * place.expert + 1, p.width, row, depth);
        tile.rows[0] = tile.rows[1] = min(kHalfRows, p.width - row);
        tile.tokens = place.count;
        tile.index = index;
        tile.firstToken = place.first;
        tile.firstRow = row;
        return tile;
    }

    LOIRE_DEVICE const bf16* tokenRow(const StreamTile<W>& tile, int token) const
    {
        return p.x + static_cast<i64>(p.order[tile.firstToken + token] / p.topK) * depth;
    }

    // Eight tokens, from firstToken of the tile on.
    LOIRE_DEVICE void put(const StreamTile<W>& tile, int firstToken, const float* scratch) const
    {
        const int row = threadIdx.x % kHalfRows;
#pragma unroll 1
        for (int token = threadIdx.x / kHalfRows; token < 8 && firstToken + token < tile.tokens; token += kStreamThreads / kHalfRows)
        {
            if (row < tile.rows[0])
            {
                const float value = silu(scratch[token * kScratchRow + row]) * scratch[(8 + token) * kScratchRow + row];
                store(p.activated + static_cast<i64>(tile.firstToken + firstToken + token) * p.width + tile.firstRow + row, value);
            }
        }
    }
};

template <int Tiles>
struct DownProblem
{
    typedef W Weight;

    static constexpr bool kReadsChoices = false; // the kernel before is that of gate and up, which began when they were there

    const ExpertsParameters& p;
    const ExpertTiles& tiles;
    int depth;
    int chunks;

    LOIRE_DEVICE DownProblem(const ExpertsParameters& parameters, const ExpertTiles& t) : p(parameters), tiles(t), depth(parameters.width), chunks(chunksOf<W>(parameters.width)) {}

    static LOIRE_DEVICE int rowTiles(const ExpertsParameters& p) { return (p.hidden + kTileRows - 1) / kTileRows; }

    LOIRE_DEVICE StreamTile<W> tileAt(int index) const
    {
        const ExpertPlace place = placeOf(p, tiles, index, 8 * Tiles);
        const W* matrix = p.down + place.expert * static_cast<i64>(p.hidden) * depth;
        StreamTile<W> tile;
        tile.firstRow = place.rowTile * kTileRows;
        for (int half = 0; half < 2; half++)
        {
            const int row = tile.firstRow + half * kHalfRows;
            tile.rows[half] = max(0, min(kHalfRows, p.hidden - row));
            tile.halves[half] = matrix + static_cast<i64>(tile.rows[half] > 0 ? row : 0) * depth;
            tile.scales[half] = scalesOf(p.downScales, place.expert, p.hidden, tile.firstRow, depth);
        }

        tile.tokens = place.count;
        tile.index = index;
        tile.firstToken = place.first;
        return tile;
    }

    LOIRE_DEVICE const bf16* tokenRow(const StreamTile<W>& tile, int token) const { return p.activated + static_cast<i64>(tile.firstToken + token) * depth; }

    // Eight tokens, from firstToken of the tile on.
    LOIRE_DEVICE void put(const StreamTile<W>& tile, int firstToken, const float* scratch) const
    {
        const int row = threadIdx.x % kHalfRows;
        const int half = threadIdx.x / kHalfRows;
#pragma unroll 1
        for (int token = 0; token < 8 && firstToken + token < tile.tokens; token++)
        {
            if (row < tile.rows[half])
            {
                p.y[static_cast<i64>(p.order[tile.firstToken + firstToken + token]) * p.hidden + tile.firstRow + half * kHalfRows + row] = scratch[(half * 8 + token) * kScratchRow + row];
            }
        }
    }
};

template <template <int> class Problem, int Tiles>
LOIRE_DEVICE void expertsStream(const ExpertsParameters& p, ExpertTiles& tiles)
{
    tiles.count(p, Problem<Tiles>::rowTiles(p), 8 * Tiles);
    const Problem<Tiles> problem(p, tiles);
    const StreamShare share = shareOf(tiles.starts[p.expertCount] * problem.chunks);
    stream<Tiles>(problem, StreamSlots<Tiles>{ p.partials, p.arrivals }, share, &tiles.isLast);
}

// As many tokens a tile as the fullest expert has, 64 at most: then its weights are read once.
template <template <int> class Problem>
LOIRE_DEVICE void expertsStream(const ExpertsParameters& p)
{
    __shared__ ExpertTiles tiles;
    if (Problem<1>::kReadsChoices)
    {
        waitForPrimary();
    }

    tiles.count(p, 1, 1);
    const int most = tiles.most;
    __syncthreads();
    if (most <= 8)
    {
        expertsStream<Problem, 1>(p, tiles);
    }
    else if (most <= 16)
    {
        expertsStream<Problem, 2>(p, tiles);
    }
    else if (most <= 32)
    {
        expertsStream<Problem, 4>(p, tiles);
    }
    else
    {
        expertsStream<Problem, 8>(p, tiles);
    }
}

// Depths that are multiples of 64. Grid: as many blocks as run at once.
LOIRE_KERNEL void __launch_bounds__(kStreamThreads) experts_gate_up_stream(const __grid_constant__ ExpertsParameters p) { expertsStream<GateUpProblem>(p); }
LOIRE_KERNEL void __launch_bounds__(kStreamThreads) experts_down_stream(const __grid_constant__ ExpertsParameters p) { expertsStream<DownProblem>(p); }
#endif
