#include "Common.cuh"
#include "Quads.cuh"

// The twin of AddNorm.Parameters.
struct AddNormParameters
{
    const float* skip;        // [.., hidden]; null: the stream comes from the embedding
    const float* terms;       // [.., choices, hidden]; null: there is nothing to add
    const float* termWeights; // [.., choices]; null: each term counts as 1
    const float* shared;      // [.., hidden], one more term, the last; null: none
    const float* sharedWeights; // [..]
    const float* squares;     // [.., choices]: the sum of the terms is divided by the root of their mean; null: it is not
    const T* embedding;       // [vocabulary, hidden]
    const int* tokens;        // [..]
    const int* rowIndices;    // [rows]: which row of the inputs; null: the same
    const float* norm;        // [hidden]
    T* x;                     // [rows, hidden]
    float* stream;            // [rows, hidden], may be skip where rowIndices is null; null: not wanted
    float* normed;            // [rows, hidden], x before it is rounded; may be stream; null: not wanted
    int rows;
    int hidden;
    int choices;
    int squaresWidth;         // how many numbers the squares of a row are of
    float alpha;
    float beta;
    float epsilon;
    float squaresEpsilon;
};

// What the sum of a row's terms counts: beta, divided by the root of the mean of the squares where there are some.
LOIRE_DEVICE float betaOf(const AddNormParameters& p, i64 row)
{
    if (!p.squares)
    {
        return p.beta;
    }

    float sum = 0.0f;
    for (int choice = 0; choice < p.choices; choice++)
    {
        sum += p.squares[row * p.choices + choice];
    }

    return p.beta * (1.0f / sqrtf(sum / p.squaresWidth + p.squaresEpsilon));
}

LOIRE_DEVICE float termSum(const AddNormParameters& p, i64 row, int i)
{
    float sum = 0.0f;
    const float* terms = p.terms + (row * p.choices * p.hidden) + i;
    for (int choice = 0; choice < p.choices; choice++)
    {
        const float weight = p.termWeights ? p.termWeights[row * p.choices + choice] : 1.0f;
        sum = fmaf(terms[static_cast<i64>(choice) * p.hidden], weight, sum);
    }

    return p.shared ? fmaf(p.shared[row * p.hidden + i], p.sharedWeights[row], sum) : sum;
}

LOIRE_DEVICE float streamAt(const AddNormParameters& p, i64 row, float beta, int i)
{
    if (p.tokens)
    {
        return toFloat(p.embedding[static_cast<i64>(p.tokens[row]) * p.hidden + i]);
    }

    const float kept = p.alpha * p.skip[row * p.hidden + i];
    return p.terms ? fmaf(beta, termSum(p, row, i), kept) : kept;
}

// One block a row. Dynamic shared memory: hidden floats.
LOIRE_KERNEL void __launch_bounds__(512) add_norm(const __grid_constant__ AddNormParameters p)
{
    __shared__ float sums[kWarp];
    float* held = reinterpret_cast<float*>(dynamicShared());
    const i64 row = blockIdx.x;
    waitForPrimary();
    launchDependents();
    const i64 source = p.rowIndices ? p.rowIndices[row] : row;
    const float beta = betaOf(p, source);
    float squares = 0.0f;
    for (int i = threadIdx.x; i < p.hidden; i += blockDim.x)
    {
        const float h = streamAt(p, source, beta, i);
        held[i] = h;
        squares = fmaf(h, h, squares);
    }

    const float scale = 1.0f / sqrtf(blockSum(squares, sums) / p.hidden + p.epsilon);
    const i64 first = row * p.hidden;
    for (int i = threadIdx.x; i < p.hidden; i += blockDim.x) // each thread reads back what it wrote
    {
        const float n = held[i] * scale * p.norm[i];
        store(p.x + first + i, n);
        if (p.stream)
        {
            p.stream[first + i] = held[i];
        }

        if (p.normed)
        {
            p.normed[first + i] = n;
        }
    }
}

// ---- Four elements at a time, where hidden is a multiple of 4 ---------------------------------------------------------

LOIRE_DEVICE float4 stream4At(const AddNormParameters& p, i64 row, float beta, int i)
{
    if (p.tokens)
    {
        return load4(p.embedding + static_cast<i64>(p.tokens[row]) * p.hidden + i);
    }

    const float4 kept = scaled(load4(p.skip + row * p.hidden + i), p.alpha);
    if (!p.terms)
    {
        return kept;
    }

    float4 sum = make_float4(0.0f, 0.0f, 0.0f, 0.0f);
#pragma unroll 2
    for (int choice = 0; choice < p.choices; choice++)
    {
        const i64 term = row * p.choices + choice;
        sum = added(load4(p.terms + term * p.hidden + i), p.termWeights ? p.termWeights[term] : 1.0f, sum);
    }

    if (p.shared)
    {
        sum = added(load4(p.shared + row * p.hidden + i), p.sharedWeights[row], sum);
    }

    return added(sum, beta, kept);
}

// One block a row. sums: kWarp floats in shared memory.
LOIRE_DEVICE void addNormWide(const AddNormParameters& p, float* sums)
{
    float* held = reinterpret_cast<float*>(dynamicShared());
    const i64 row = blockIdx.x;
    waitForPrimary();
    launchDependents();
    const i64 source = p.rowIndices ? p.rowIndices[row] : row;
    const float beta = betaOf(p, source);
    float squares = 0.0f;
#pragma unroll 2
    for (int i = threadIdx.x * 4; i < p.hidden; i += blockDim.x * 4)
    {
        const float4 h = stream4At(p, source, beta, i);
        store4(held + i, h);
        squares += h.x * h.x + h.y * h.y + (h.z * h.z + h.w * h.w);
    }

    const float scale = 1.0f / sqrtf(blockSum(squares, sums) / p.hidden + p.epsilon);
    const i64 first = row * p.hidden;
    for (int i = threadIdx.x * 4; i < p.hidden; i += blockDim.x * 4) // each thread reads back what it wrote
    {
        const float4 h = load4(held + i);
        const float4 w = load4(p.norm + i);
        const float4 n = make_float4(h.x * scale * w.x, h.y * scale * w.y, h.z * scale * w.z, h.w * scale * w.w);
        store4(p.x + first + i, n);
        if (p.stream)
        {
            store4(p.stream + first + i, h);
        }

        if (p.normed)
        {
            store4(p.normed + first + i, n);
        }
    }
}

// Dynamic shared memory: hidden floats. Many rows: several share a multiprocessor. Few rows: each has many threads.
LOIRE_KERNEL void __launch_bounds__(512, 3) add_norm_wide(const __grid_constant__ AddNormParameters p)
{
    __shared__ float sums[kWarp];
    addNormWide(p, sums);
}

LOIRE_KERNEL void __launch_bounds__(1024) add_norm_few(const __grid_constant__ AddNormParameters p)
{
    __shared__ float sums[kWarp];
    addNormWide(p, sums);
}
