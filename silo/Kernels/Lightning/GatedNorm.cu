// y = sigmoid(g) * o * w / sqrt(mean(o^2) + epsilon), each row over all heads together.
#include "Common.cuh"

// The twin of GatedNorm.Parameters.
struct GatedNormParameters
{
    const float* input;       // o, [rows, width]
    const void* gate;         // g before the sigmoid, [rows, gateStride], T or float
    const T* weight;          // [width]
    T* output;                // [rows, width]
    i64 gateStride;           // in elements
    int width;
    int isGateFloat;
    float epsilon;
};

LOIRE_DEVICE float gateAt(const GatedNormParameters& p, i64 index)
{
    return p.isGateFloat ? static_cast<const float*>(p.gate)[index] : toFloat(static_cast<const T*>(p.gate)[index]);
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

    const float scale = rsqrtf(blockSum(sum, scratch) / p.width + p.epsilon);
    for (int i = threadIdx.x; i < p.width; i += blockDim.x)
    {
        const float normed = input[i] * scale * toFloat(p.weight[i]);
        store(p.output + row * p.width + i, normed * sigmoid(gateAt(p, row * p.gateStride + i)));
    }
}

// The same with width a multiple of 1024 and at most 16 K, all rows 16-byte aligned, T = bf16, g of type T: each element is read once.
#ifdef LOIRE_T_BF16
static constexpr int kMostQuads = 16; // of 4 elements a thread

LOIRE_KERNEL void __launch_bounds__(256) gated_norm_wide(const GatedNormParameters p)
{
    waitForPrimary();
    launchDependents();
    __shared__ float scratch[kWarp];
    const i64 row = blockIdx.x;
    const float* input = p.input + row * p.width + threadIdx.x * 4;
    const T* gate = static_cast<const T*>(p.gate) + row * p.gateStride + threadIdx.x * 4;
    const int quads = p.width / 1024;
    float4 held[kMostQuads];
    float sum = 0.0f;
#pragma unroll
    for (int i = 0; i < kMostQuads; i++)
    {
        if (i < quads)
        {
            held[i] = *reinterpret_cast<const float4*>(input + i * 1024);
            sum += held[i].x * held[i].x + held[i].y * held[i].y + held[i].z * held[i].z + held[i].w * held[i].w;
        }
    }

    const float scale = rsqrtf(blockSum(sum, scratch) / p.width + p.epsilon);
#pragma unroll
    for (int i = 0; i < kMostQuads; i++)
    {
        if (i < quads)
        {
            const uint2 g = *reinterpret_cast<const uint2*>(gate + i * 1024);
            const uint2 w = *reinterpret_cast<const uint2*>(p.weight + threadIdx.x * 4 + i * 1024);
            uint2 y;
            y.x = packBf16(held[i].x * scale * lowFloat(w.x) * sigmoid(lowFloat(g.x)), held[i].y * scale * highFloat(w.x) * sigmoid(highFloat(g.x)));
            y.y = packBf16(held[i].z * scale * lowFloat(w.y) * sigmoid(lowFloat(g.y)), held[i].w * scale * highFloat(w.y) * sigmoid(highFloat(g.y)));
            *reinterpret_cast<uint2*>(p.output + row * p.width + threadIdx.x * 4 + i * 1024) = y;
        }
    }
}
#endif
