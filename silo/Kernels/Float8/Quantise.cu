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

LOIRE_DEVICE u32 scaledPair(u32 pair, float scale)
{
    float low;
    float high;
    floatsOfE4m3(pair, low, high);
    return packBf16(low * scale, high * scale);
}

LOIRE_DEVICE uint2 scaledFour(u32 four, float scale) { return make_uint2(scaledPair(four, scale), scaledPair(four >> 16, scale)); }

// A block of threads has whole rows, a thread sixteen numbers at a time.
LOIRE_KERNEL void __launch_bounds__(192) dequantise(const __grid_constant__ DequantiseParameters p)
{
    const int blocksOfRow = blocksOf(p.columns);
    for (i64 row = blockIdx.x; row < p.allRows; row += gridDim.x)
    {
        const i64 matrix = row / p.rows;
        const int blockRow = static_cast<int>(row - matrix * p.rows) / kScaleBlock;
        const float* scales = p.scales + (matrix * blocksOf(p.rows) + blockRow) * blocksOfRow;
        for (int column = threadIdx.x * 16; column < p.columns; column += blockDim.x * 16)
        {
            const float scale = scales[column / kScaleBlock];
            const uint4 codes = loadStreaming(p.codes + row * p.columns + column);
            const uint2 a = scaledFour(codes.x, scale);
            const uint2 b = scaledFour(codes.y, scale);
            const uint2 c = scaledFour(codes.z, scale);
            const uint2 d = scaledFour(codes.w, scale);
            uint4* w = reinterpret_cast<uint4*>(p.w + row * p.columns + column);
            w[0] = make_uint4(a.x, a.y, b.x, b.y);
            w[1] = make_uint4(c.x, c.y, d.x, d.y);
        }
    }
}
