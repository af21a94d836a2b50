// Brain floats to e4m3 with a scale for each block of 128 x 128, and back.
#include "Float8.cuh"

// The twin of Quantise.Parameters.
struct QuantiseParameters
{
    const bf16* w;  // [rows, columns]
    e4m3* codes;    // [rows, columns]
    float* scales;  // [blocks of rows, blocks of columns]
    int rows;
    int columns;
};

// A block of threads has a block of the matrix. Grid: blocks of columns, blocks of rows.
LOIRE_KERNEL void __launch_bounds__(256) quantise(const __grid_constant__ QuantiseParameters p)
{
    __shared__ float most[kWarp];
    const int firstRow = blockIdx.y * kScaleBlock;
    const int rows = min(kScaleBlock, p.rows - firstRow);
    const int column = blockIdx.x * kScaleBlock + threadIdx.x % kScaleBlock;
    const int step = blockDim.x / kScaleBlock;
    const int begin = threadIdx.x / kScaleBlock;
    const i64 first = static_cast<i64>(firstRow) * p.columns + column;

    float greatest = 0.0f;
    for (int row = begin; row < rows && column < p.columns; row += step)
    {
        greatest = fmaxf(greatest, fabsf(toFloat(p.w[first + static_cast<i64>(row) * p.columns]))); // a NaN has no say
    }

    greatest = warpMax(greatest);
    if (threadIdx.x % kWarp == 0)
    {
        most[threadIdx.x / kWarp] = greatest;
    }

    __syncthreads();
    const int warps = blockDim.x / kWarp;
    greatest = warpMax(static_cast<int>(threadIdx.x % kWarp) < warps ? most[threadIdx.x % kWarp] : 0.0f);
    const float scale = greatest > 0.0f ? greatest / kMostE4m3 : 1.0f;
    if (threadIdx.x == 0)
    {
        p.scales[static_cast<i64>(blockIdx.y) * gridDim.x + blockIdx.x] = scale;
    }

    for (int row = begin; row < rows && column < p.columns; row += step)
    {
        const i64 at = first + static_cast<i64>(row) * p.columns;
        p.codes[at].bits = roundToE4m3(toFloat(p.w[at]) / scale);
    }
}

// The twin of Quantise.BackParameters.
struct DequantiseParameters
{
    const e4m3* codes;   // [matrices, rows, columns]
    const float* scales; // [matrices, blocks of rows, blocks of columns]
    bf16* w;             // [matrices, rows, columns]
    i64 allRows;         // of all matrices
    int rows;
    int columns;         // a multiple of 16
};

LOIRE_DEVICE uint2 scaledFour(u32 four, float scale)
{
    float values[4];
    floatsOfE4m3(four, values);
    return make_uint2(packBf16(values[0] * scale, values[1] * scale), packBf16(values[2] * scale, values[3] * scale));
}

// Rows whose numbers a thread has under way at once.
static constexpr int kBackRows = 4;

// A thread has sixteen columns of four rows at a time. Grid: columns, rows.
LOIRE_KERNEL void __launch_bounds__(128) dequantise(const __grid_constant__ DequantiseParameters p)
{
    const int column = (blockIdx.x * blockDim.x + threadIdx.x) * 16;
    if (column >= p.columns)
    {
        return;
    }

    const int blocksOfRow = blocksOf(p.columns);
    const int blockRows = blocksOf(p.rows);
    const float* scales = p.scales + column / kScaleBlock;
    const int allRows = static_cast<int>(p.allRows);
    for (int first = blockIdx.y * kBackRows; first < allRows; first += gridDim.y * kBackRows)
    {
        uint4 codes[kBackRows];
        float scale[kBackRows];
#pragma unroll
        for (int i = 0; i < kBackRows; i++)
        {
            const int row = min(first + i, allRows - 1);
            const int matrix = row / p.rows;
            codes[i] = loadStreaming(p.codes + static_cast<i64>(row) * p.columns + column);
            scale[i] = scales[(static_cast<i64>(matrix) * blockRows + (row - matrix * p.rows) / kScaleBlock) * blocksOfRow];
        }

#pragma unroll
        for (int i = 0; i < kBackRows; i++)
        {
            if (first + i < allRows)
            {
                const uint2 a = scaledFour(codes[i].x, scale[i]);
                const uint2 b = scaledFour(codes[i].y, scale[i]);
                const uint2 c = scaledFour(codes[i].z, scale[i]);
                const uint2 d = scaledFour(codes[i].w, scale[i]);
                uint4* w = reinterpret_cast<uint4*>(p.w + static_cast<i64>(first + i) * p.columns + column);
                w[0] = make_uint4(a.x, a.y, b.x, b.y);
                w[1] = make_uint4(c.x, c.y, d.x, d.y);
            }
        }
    }
}
