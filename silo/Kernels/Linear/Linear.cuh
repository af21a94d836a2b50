// What the products of activations and weights share: where an output goes, and what is done to it on the way.
#ifndef LOIRE_LINEAR
#define LOIRE_LINEAR
#include "Common.cuh"

// The twin of LinearSegment: one weight matrix of a product.
struct LinearSegment
{
    const T* w;     // [columns, depth]
    void* y;        // [rows, stride], float or T
    int columns;
    int stride;     // of a row of y, in elements
    int activation; // 0 none, 1 silu, 2 sigmoid
    int isFloat;    // y is float
};

LOIRE_DEVICE float activated(float value, int activation)
{
    return activation == 0 ? value : activation == 1 ? silu(value) : sigmoid(value);
}

LOIRE_DEVICE void storeOutput(const LinearSegment& segment, i64 row, int column, float sum)
{
    const float value = activated(sum, segment.activation);
    const i64 at = row * segment.stride + column;
    if (segment.isFloat)
    {
        static_cast<float*>(segment.y)[at] = value;
    }
    else
    {
        store(static_cast<T*>(segment.y) + at, value);
    }
}

// The dot products of one row of w with up to Rows rows of x, by one warp; every lane gets them. The order of a sum depends on depth alone.
template <int Rows, typename Row>
LOIRE_DEVICE void warpDots(const Row& w, const T* const (&x)[Rows], int depth, float (&sums)[Rows])
{
#pragma unroll
    for (int r = 0; r < Rows; r++)
    {
        sums[r] = 0.0f;
    }

    for (int k = threadIdx.x % kWarp; k < depth; k += kWarp)
    {
        const float weight = toFloat(w[k]);
#pragma unroll
        for (int r = 0; r < Rows; r++)
        {
            sums[r] = fmaf(weight, toFloat(x[r][k]), sums[r]);
        }
    }

#pragma unroll
    for (int r = 0; r < Rows; r++)
    {
        sums[r] = warpSum(sums[r]);
    }
}

#endif
