// A row of logits in segments, and what the threads of the block that works on it know of it and of each other.
#ifndef LOIRE_ROW_SEGMENTS
#define LOIRE_ROW_SEGMENTS

#include "Draws.cuh"

static constexpr int kThreads = 1024;
static constexpr int kWarps = kThreads / kWarp;
static constexpr int kQuads = 4;                      // of each lane in a segment
static constexpr int kSegment = kQuads * 4 * kWarp;   // tokens that a warp takes at a time
static constexpr int kMostSegments = kThreads;        // of a row: a thread has one
static constexpr int kDigits = 2048;

// ---- What the threads of a block know ----------------------------------------------------------------------------------

struct RowState
{
    double sums[kMostSegments];         // of the weights that are kept, but for those equal to the floor
    int equals[kMostSegments];          // of the weights equal to the floor
    u32 histogram[kDigits];
    double warpSums[kWarps];
    int warpCounts[kWarps];
    u32 warpLeasts[kWarps];
    const float* logits[kMostParts];    // of the row
    int columns[kMostParts];
    int firstToken[kMostParts];
    int lead[kMostParts];               // logits between the last 16-byte border and the part's first
    int firstSegment[kMostParts];
    float maxima[kMostParts];
    bool sound[kMostParts];
    int segments;
    float max;
    bool isSound;
    u32 prefix;                         // digits that are known, found by one thread for all
    int wanted;
    double above;
};

// ---- Of the whole block ---------------------------------------------------------------------------------------------------

template <typename Number>
struct Running
{
    Number before; // of the threads before this one
    Number through;
    Number total;
};

template <typename Number>
LOIRE_DEVICE Running<Number> running(Number own, Number* warpSums)
{
    const int lane = threadIdx.x % kWarp;
    const int warp = threadIdx.x / kWarp;
    Number through = own;
#pragma unroll
    for (int distance = 1; distance < kWarp; distance *= 2)
    {
        const Number other = __shfl_up_sync(kAllLanes, through, distance);
        through += lane >= distance ? other : Number(0);
    }

    const Number previous = __shfl_up_sync(kAllLanes, through, 1);
    if (lane == kWarp - 1)
    {
        warpSums[warp] = through;
    }

    __syncthreads();
    Number total = 0;
    Number offset = 0;
    for (int w = 0; w < kWarps; w++)
    {
        offset = w == warp ? total : offset;
        total += warpSums[w];
    }

    __syncthreads();
    return { offset + (lane > 0 ? previous : Number(0)), offset + through, total };
}

LOIRE_DEVICE u32 leastOf(u32 own, u32* warpLeasts)
{
    const u32 least = __reduce_min_sync(kAllLanes, own);
    if (threadIdx.x % kWarp == 0)
    {
        warpLeasts[threadIdx.x / kWarp] = least;
    }

    __syncthreads();
    const u32 result = __reduce_min_sync(kAllLanes, warpLeasts[threadIdx.x % kWarp]);
    __syncthreads();
    return result;
}

// The first thread for which it holds; kThreads: there is none.
LOIRE_DEVICE int firstThread(bool holds, u32* warpLeasts) { return static_cast<int>(leastOf(holds ? threadIdx.x : kThreads, warpLeasts)); }

LOIRE_DEVICE void clear(u32* histogram)
{
    for (int i = threadIdx.x; i < kDigits; i += kThreads)
    {
        histogram[i] = 0;
    }

    __syncthreads();
}

LOIRE_DEVICE double warpTotal(double value)
{
#pragma unroll
    for (int distance = kWarp / 2; distance > 0; distance /= 2)
    {
        value += __shfl_xor_sync(kAllLanes, value, distance);
    }

    return value;
}

// ---- Segments ---------------------------------------------------------------------------------------------------------------

// A piece of a part, in the order of the tokens. It begins at a 16-byte border, so that the first one may begin before the part does.
struct Segment
{
    const float* logits; // of the part
    int start;
    int columns;
    int firstToken;

    // The place of a logit: quads of the 32 lanes follow each other.
    LOIRE_DEVICE int at(int quad, int i) const { return start + 4 * (quad * kWarp + static_cast<int>(threadIdx.x % kWarp)) + i; }

    LOIRE_DEVICE float logit(int at) const { return at >= 0 && at < columns ? logits[at] : -infinity(); }

    LOIRE_DEVICE float4 load(int quad) const
    {
        const int first = at(quad, 0);
        return first >= 0 && first + 4 <= columns
            ? *reinterpret_cast<const float4*>(logits + first)
            : make_float4(logit(first), logit(first + 1), logit(first + 2), logit(first + 3));
    }
};

LOIRE_DEVICE Segment segmentOf(const RowState& s, int partCount, int index)
{
    int part = 0;
    while (part + 1 < partCount && index >= s.firstSegment[part + 1])
    {
        part++;
    }

    return { s.logits[part], (index - s.firstSegment[part]) * kSegment - s.lead[part], s.columns[part], s.firstToken[part] };
}

// Calls visit(index, segment, logits) for each; for whole warps.
template <typename Visit>
LOIRE_DEVICE void forSegments(const RowState& s, int partCount, const Visit& visit)
{
    for (int index = threadIdx.x / kWarp; index < s.segments; index += kWarps)
    {
        const Segment segment = segmentOf(s, partCount, index);
        float4 quads[kQuads];
#pragma unroll
        for (int quad = 0; quad < kQuads; quad++)
        {
            quads[quad] = segment.load(quad);
        }

        float logits[kQuads * 4];
#pragma unroll
        for (int quad = 0; quad < kQuads; quad++)
        {
            logits[4 * quad] = quads[quad].x;
            logits[4 * quad + 1] = quads[quad].y;
            logits[4 * quad + 2] = quads[quad].z;
            logits[4 * quad + 3] = quads[quad].w;
        }

        visit(index, segment, logits);
    }
}

#endif
