// y = sigmoid(g) * o * w / sqrt(mean(o^2) + epsilon), each row over all heads together; or without the root, and the sum of
// squares beside it, where other GPUs have more heads of the row.
#include "Common.cuh"

// The twin of GatedNorm.Parameters.
struct GatedNormParameters
{
    const float* input;       // o, [rows, width]
    const void* gate;         // g before the sigmoid, [rows, gateStride], T or float
    const T* weight;          // [width]
    T* output;                // [rows, width]
    float* squares;           // [rows]: of o; null: y is divided by the root of their mean
    i64 gateStride;           // in elements
    int width;
    int isGateFloat;
    float epsilon;
};

LOIRE_DEVICE float gateAt(const GatedNormParameters& p, i64 index)
{
    return p.isGateFloat ? static_cast<const float*>(p.gate)[index] : toFloat(static_cast<const T*>(p.gate)[index]);
}

// What the row is multiplied by, from the sum of its squares, which every thread has.
LOIRE_DEVICE float scaleOf(const GatedNormParameters& p, i64 row, float squares)
{
    if (!p.squares)
    {
        return rsqrtf(squares / p.width + p.epsilon);
    }

    if (threadIdx.x == 0)
    {
        p.squares[row] = squares;
    }

    return 1.0f;
}

// Block: a row.
LOIRE_KERNEL void __launch_bounds__(256) gated_norm(const GatedNormParameters p)
{
    waitForPrimary();
    launchDependents();
    __shared__ float scratch[kWarp];
    const i64 row = blockIdx.x;
    const float* input = p.input + row * p.width;
    float sum = 0.0f;
    for (int i = threadIdx.x; i < p.width; i += blockDim.x)
    {
        sum = fmaf(input[i], input[i], sum);
    }

    const float scale = scaleOf(p, row, blockSum(sum, scratch));
    for (int i = threadIdx.x; i < p.width; i += blockDim.x)
    {
        const float normed = input[i] * scale * toFloat(p.weight[i]);
        store(p.output + row * p.width + i, normed * sigmoid(gateAt(p, row * p.gateStride + i)));
    }
}

// The same with width a multiple of 512 and at most 16 K, all rows 16-byte aligned, T = bf16. A thread has 16 elements of each
// row of input, and all its loads are under way at once: launched with width / 16 threads.
#ifdef LOIRE_T_BF16
static constexpr int kQuads = 4; // of 4 elements a thread

template <bool IsGateFloat>
LOIRE_DEVICE float4 loadGate(const GatedNormParameters& p, i64 index)
{
    if constexpr (IsGateFloat)
    {
        return *reinterpret_cast<const float4*>(static_cast<const float*>(p.gate) + index);
    }
    else
    {
        const uint2 g = *reinterpret_cast<const uint2*>(static_cast<const T*>(p.gate) + index);
        return make_float4(lowFloat(g.x), highFloat(g.x), lowFloat(g.y), highFloat(g.y));
    }
}

template <bool IsGateFloat>
LOIRE_DEVICE void gatedNormWide(const GatedNormParameters& p)
{
    __shared__ float scratch[kWarp];
    const i64 row = blockIdx.x;
    const int step = blockDim.x * 4;
    const float* input = p.input + row * p.width + threadIdx.x * 4;
    const T* weight = p.weight + threadIdx.x * 4;
    float4 o[kQuads];
    float4 g[kQuads];
    uint2 w[kQuads];
#pragma unroll
    for (int i = 0; i < kQuads; i++)
    {
        w[i] = *reinterpret_cast<const uint2*>(weight + i * step);
    }

    waitForPrimary(); // weights are no predecessor's
    launchDependents();
#pragma unroll
    for (int i = 0; i < kQuads; i++)
    {
        o[i] = *reinterpret_cast<const float4*>(input + i * step);
        g[i] = loadGate<IsGateFloat>(p, row * p.gateStride + threadIdx.x * 4 + i * step);
    }

    float sum = 0.0f;
#pragma unroll
    for (int i = 0; i < kQuads; i++)
    {
        sum += o[i].x * o[i].x + o[i].y * o[i].y + o[i].z * o[i].z + o[i].w * o[i].w;
    }

    const float scale = scaleOf(p, row, blockSum(sum, scratch));
#pragma unroll
    for (int i = 0; i < kQuads; i++)
    {
        uint2 y;
        y.x = packBf16(o[i].x * scale * lowFloat(w[i].x) * sigmoid(g[i].x), o[i].y * scale * highFloat(w[i].x) * sigmoid(g[i].y));
        y.y = packBf16(o[i].z * scale * lowFloat(w[i].y) * sigmoid(g[i].z), o[i].w * scale * highFloat(w[i].y) * sigmoid(g[i].w));
        *reinterpret_cast<uint2*>(p.output + row * p.width + threadIdx.x * 4 + i * step) = y;
    }
}

LOIRE_KERNEL void __launch_bounds__(1024) gated_norm_wide(const GatedNormParameters p) { gatedNormWide<false>(p); }
LOIRE_KERNEL void __launch_bounds__(1024) gated_norm_wide_float(const GatedNormParameters p) { gatedNormWide<true>(p); }
#endif
