// Weighted sums of a row's terms, each computed once and written into the memory of several GPUs.
#include "Common.cuh"
#include "Quads.cuh"

static constexpr int kThreads = 256;
static constexpr int kMostTargets = 8;

// The twin of PartialSums.Parameters.
struct PartialSumsParameters
{
    const float* terms;                 // [rows, choices, hidden]
    const float* weights;               // [rows, choices]; null: each term counts as 1
    const int* chosen;                  // [rows, choices]: a term counts, and is read, if it is in [firstExpert, endExpert); null: all do
    const float* shared;                // [rows, hidden], one more term, the last; null: none
    const float* sharedWeights;         // [rows]; null: 1
    const float* squares;               // [rows]; null: none
    float* targetSums[kMostTargets];    // [rows, parts, hidden] each, of this GPU or another
    float* targetSquares[kMostTargets]; // [rows, parts] each
    int targets;
    int part;                           // which of the parts of each row is written
    int parts;
    int choices;
    int firstExpert;
    int endExpert;
    int hidden;
};

LOIRE_DEVICE void setZero(float& v) { v = 0.0f; }
LOIRE_DEVICE void setZero(float4& v) { v = make_float4(0.0f, 0.0f, 0.0f, 0.0f); }

LOIRE_DEVICE float added(float v, float by, float to) { return fmaf(v, by, to); }

LOIRE_DEVICE bool isCounted(const PartialSumsParameters& p, i64 term)
{
    if (!p.chosen)
    {
        return true;
    }

    const int expert = p.chosen[term];
    return expert >= p.firstExpert && expert < p.endExpert;
}

// Element i of a row, in the order in which the residual adds terms up. Value: float or float4, of which a row has columns.
template <typename Value>
LOIRE_DEVICE Value partialSum(const PartialSumsParameters& p, i64 row, int i, int columns)
{
    Value sum;
    setZero(sum);
    const Value* terms = reinterpret_cast<const Value*>(p.terms) + row * p.choices * columns + i;
#pragma unroll 2
    for (int choice = 0; choice < p.choices; choice++)
    {
        const i64 term = row * p.choices + choice;
        if (isCounted(p, term))
        {
            sum = added(terms[static_cast<i64>(choice) * columns], p.weights ? p.weights[term] : 1.0f, sum);
        }
    }

    if (p.shared)
    {
        const Value* shared = reinterpret_cast<const Value*>(p.shared) + row * columns + i;
        sum = added(*shared, p.sharedWeights ? p.sharedWeights[row] : 1.0f, sum);
    }

    return sum;
}

LOIRE_DEVICE void pushSquares(const PartialSumsParameters& p, i64 row)
{
    const int target = threadIdx.x;
    if (p.squares && blockIdx.y == 0 && target < p.targets)
    {
        p.targetSquares[target][row * p.parts + p.part] = p.squares[row];
    }
}

// Grid: (rows, blocks of a row). The end of the kernel is what makes the writes seen by other GPUs: an event that is recorded
// after it, and waited for there, orders them before whatever reads.
template <typename Value>
LOIRE_DEVICE void pushPartialSums(const PartialSumsParameters& p)
{
    const i64 row = blockIdx.x;
    const int columns = p.hidden / static_cast<int>(sizeof(Value) / sizeof(float));
    const i64 first = (row * p.parts + p.part) * columns;
    waitForPrimary();
    launchDependents();
    pushSquares(p, row);
    for (int i = blockIdx.y * blockDim.x + threadIdx.x; i < columns; i += gridDim.y * blockDim.x)
    {
        const Value sum = partialSum<Value>(p, row, i, columns);
#pragma unroll
        for (int target = 0; target < kMostTargets; target++)
        {
            if (target < p.targets)
            {
                reinterpret_cast<Value*>(p.targetSums[target])[first + i] = sum;
            }
        }
    }
}

LOIRE_KERNEL void __launch_bounds__(kThreads) push_partial_sums(const __grid_constant__ PartialSumsParameters p) { pushPartialSums<float>(p); }
LOIRE_KERNEL void __launch_bounds__(kThreads) push_partial_sums_wide(const __grid_constant__ PartialSumsParameters p) { pushPartialSums<float4>(p); }
