#include "Common.cuh"

// The twin of AddNorm.Parameters.
struct AddNormParameters
{
    const float* skip;        // [.., hidden]; null: the stream comes from the embedding
    const float* terms;       // [.., choices, hidden]; null: there is nothing to add
    const float* termWeights; // [.., choices]; null: each term counts as 1
    const float* shared;      // [.., hidden], one more term, the last; null: none
    const float* sharedWeights; // [..]
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
    float alpha;
    float beta;
    float epsilon;
};

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

LOIRE_DEVICE float streamAt(const AddNormParameters& p, i64 row, int i)
{
    if (p.tokens)
    {
        return toFloat(p.embedding[static_cast<i64>(p.tokens[row]) * p.hidden + i]);
    }

    const float kept = p.alpha * p.skip[row * p.hidden + i];
    return p.terms ? fmaf(p.beta, termSum(p, row, i), kept) : kept;
}

// One block a row. Dynamic shared memory: hidden floats.
LOIRE_KERNEL void __launch_bounds__(1024) add_norm(const __grid_constant__ AddNormParameters p)
{
    __shared__ float sums[kWarp];
    float* held = reinterpret_cast<float*>(dynamicShared());
    const i64 row = blockIdx.x;
    waitForPrimary();
    launchDependents();
    const i64 source = p.rowIndices ? p.rowIndices[row] : row;
    float squares = 0.0f;
    for (int i = threadIdx.x; i < p.hidden; i += blockDim.x)
    {
        const float h = streamAt(p, source, i);
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
