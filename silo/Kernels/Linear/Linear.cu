#include "Linear.cuh"

// The twin of Linear.Parameters.
struct LinearParameters
{
    const T* x; // [rows, depth]
    LinearSegment segments[4];
    int rows;
    int depth;
    int segmentCount;
    int columns; // of all segments
};

// Any shape: a warp computes one column for kRows rows.
static constexpr int kRows = 4;

LOIRE_KERNEL void __launch_bounds__(256) linear_any(const __grid_constant__ LinearParameters p)
{
    int column = blockIdx.x * (blockDim.x / kWarp) + threadIdx.x / kWarp;
    if (column >= p.columns)
    {
        return;
    }

    int segment = 0;
    while (column >= p.segments[segment].columns)
    {
        column -= p.segments[segment].columns;
        segment++;
    }

    const LinearSegment target = p.segments[segment];
    const int first = blockIdx.y * kRows;
    const T* x[kRows];
    for (int r = 0; r < kRows; r++)
    {
        x[r] = p.x + static_cast<i64>(min(first + r, p.rows - 1)) * p.depth;
    }

    float sums[kRows];
    warpDots<kRows>(target.w + static_cast<i64>(column) * p.depth, x, p.depth, sums);
    if (threadIdx.x % kWarp == 0)
    {
        for (int r = 0; r < kRows && first + r < p.rows; r++)
        {
            storeOutput(target, first + r, column, sums[r]);
        }
    }
}

// The twin of Linear.ActivateParameters: what a library's product leaves undone.
struct ActivateParameters
{
    LinearSegment segment;
    const float* sums; // [rows, columns]; null: they are in y, rounded
    int rows;
};

LOIRE_KERNEL void __launch_bounds__(256) activate(const __grid_constant__ ActivateParameters p)
{
    const int column = blockIdx.x * blockDim.x + threadIdx.x;
    if (column >= p.segment.columns)
    {
        return;
    }

    for (int row = blockIdx.y; row < p.rows; row += gridDim.y)
    {
        const i64 at = static_cast<i64>(row) * p.segment.stride + column;
        const float sum = p.sums ? p.sums[static_cast<i64>(row) * p.segment.columns + column]
            : p.segment.isFloat  ? static_cast<float*>(p.segment.y)[at]
                                 : toFloat(static_cast<T*>(p.segment.y)[at]);
        storeOutput(p.segment, row, column, sum);
    }
}

#ifdef LOIRE_T_BF16
// Eight columns a thread: y is bf16, columns and stride are multiples of 8, and y begins at a multiple of 16 bytes.
LOIRE_KERNEL void __launch_bounds__(256) activate_wide(const __grid_constant__ ActivateParameters p)
{
    const int column = (blockIdx.x * blockDim.x + threadIdx.x) * 8;
    if (column >= p.segment.columns)
    {
        return;
    }

    for (int row = blockIdx.y; row < p.rows; row += gridDim.y)
    {
        uint4* at = reinterpret_cast<uint4*>(static_cast<T*>(p.segment.y) + static_cast<i64>(row) * p.segment.stride + column);
        float values[8];
        if (p.sums)
        {
            const float4* sums = reinterpret_cast<const float4*>(p.sums + static_cast<i64>(row) * p.segment.columns + column);
            const float4 low = sums[0];
            const float4 high = sums[1];
            values[0] = low.x;
            values[1] = low.y;
            values[2] = low.z;
            values[3] = low.w;
            values[4] = high.x;
            values[5] = high.y;
            values[6] = high.z;
            values[7] = high.w;
        }
        else
        {
            unpack8(*at, values);
        }

#pragma unroll
        for (int i = 0; i < 8; i++)
        {
            values[i] = activated(values[i], p.segment.activation);
        }

        *at = make_uint4(packBf16(values[0], values[1]), packBf16(values[2], values[3]), packBf16(values[4], values[5]), packBf16(values[6], values[7]));
    }
}
#endif

#ifdef LOIRE_T_BF16
#include "Stream.cuh"

// The twin of Linear.StreamParameters.
struct LinearStreamParameters
{
    LinearParameters product;
    float* partials;
    int* arrivals;
};

struct LinearProblem
{
    typedef bf16 Weight;

    const LinearParameters& p;
    int depth;
    int chunks;

    LOIRE_DEVICE explicit LinearProblem(const LinearParameters& product) : p(product), depth(product.depth), chunks(chunksOf<bf16>(product.depth)) {}

    LOIRE_DEVICE int tiles() const
    {
        int count = 0;
        for (int segment = 0; segment < p.segmentCount; segment++)
        {
            count += (p.segments[segment].columns + kTileRows - 1) / kTileRows;
        }

        return count;
    }

    // The segment of a tile, and its first column there.
    LOIRE_DEVICE int segmentAt(int index, int& column) const
    {
        int segment = 0;
        for (;; segment++)
        {
            const int count = (p.segments[segment].columns + kTileRows - 1) / kTileRows;
            if (index < count)
            {
                break;
            }

            index -= count;
        }

        column = index * kTileRows;
        return segment;
    }

    LOIRE_DEVICE StreamTile<bf16> tileAt(int index) const
    {
        int column;
        const LinearSegment& segment = p.segments[segmentAt(index, column)];
        StreamTile<bf16> tile;
        for (int half = 0; half < 2; half++)
        {
            const int first = column + half * kHalfRows;
            tile.rows[half] = max(0, min(kHalfRows, segment.columns - first));
            tile.halves[half] = segment.w + static_cast<i64>(tile.rows[half] > 0 ? first : 0) * depth;
        }

        tile.tokens = p.rows;
        tile.index = index;
        tile.firstToken = 0;
        tile.firstRow = column;
        return tile;
    }

    LOIRE_DEVICE const bf16* tokenRow(const StreamTile<bf16>&, int token) const { return p.x + static_cast<i64>(token) * depth; }

    // Eight tokens, from firstToken of the tile on.
    LOIRE_DEVICE void put(const StreamTile<bf16>& tile, int firstToken, const float* scratch) const
    {
        int column;
        const LinearSegment& segment = p.segments[segmentAt(tile.index, column)];
        const int row = threadIdx.x % kHalfRows;
        const int half = threadIdx.x / kHalfRows;
#pragma unroll 1
        for (int token = 0; token < 8 && firstToken + token < tile.tokens; token++)
        {
            if (row < tile.rows[half])
            {
                storeOutput(segment, firstToken + token, column + half * kHalfRows + row, scratch[(half * 8 + token) * kScratchRow + row]);
            }
        }
    }
};

template <int Tiles>
LOIRE_DEVICE void linearStream(const LinearStreamParameters& p)
{
    __shared__ int isLast;
    const LinearProblem problem(p.product);
    const StreamShare share = shareOf(problem.tiles() * problem.chunks);
    stream<Tiles>(problem, StreamSlots<Tiles>{ p.partials, p.arrivals }, share, &isLast);
}

// Up to 8, 16, 32, 64 rows; depth a multiple of 64. Grid: as many blocks as run at once.
LOIRE_KERNEL void __launch_bounds__(kStreamThreads) linear_stream_8(const __grid_constant__ LinearStreamParameters p) { linearStream<1>(p); }
LOIRE_KERNEL void __launch_bounds__(kStreamThreads) linear_stream_16(const __grid_constant__ LinearStreamParameters p) { linearStream<2>(p); }
LOIRE_KERNEL void __launch_bounds__(kStreamThreads) linear_stream_32(const __grid_constant__ LinearStreamParameters p) { linearStream<4>(p); }
LOIRE_KERNEL void __launch_bounds__(kStreamThreads) linear_stream_64(const __grid_constant__ LinearStreamParameters p) { linearStream<8>(p); }
#endif
