// The token of a row that its best candidates leave open, drawn from the whole row.
#include "RowFilters.cuh"

static constexpr int kNotFound = -2; // neither a token nor that there is none for certain

// The twin of RowDraw.PartAddresses.
struct RowPart
{
    const float* logits;   // [rows, columns]
    const float* logProbs; // [rows], of the part's best, among its tokens
    const float* maxima;   // [rows]: logits of the best
    i64 firstToken;        // that of the whole vocabulary which is the part's 0
    i64 columns;
};

// The twin of RowDraw.Parameters.
struct RowDrawParameters
{
    const RowChoice* choices; // [rows]
    int* chosen;              // [rows]; -1: not decided
    int* carried;             // [rows]; -1: also for an end
    RowPart parts[kMostParts];
    int partCount;
    int vocabulary;           // of all parts
};

// ---- The draw ---------------------------------------------------------------------------------------------------------------

// Which weights are kept; of those that are equal to the floor, only as many as the nucleus says.
struct Filter
{
    float least;   // logit
    float floor;
    float minimum; // weight

    LOIRE_DEVICE bool isAbove(float logit, float weight) const { return logit >= least && weight > floor && weight >= minimum; }

    LOIRE_DEVICE bool isEqual(float logit, float weight) const { return floor > 0.0f && logit >= least && weight == floor && weight >= minimum; }
};

// Sums of the segments, in one pass. Returns the bits, less 1, of the least weight that a thread has seen kept.
template <bool IsFiltered>
LOIRE_DEVICE u32 sumSegments(RowState& s, int partCount, const Weighing& weighing, const Filter& filter)
{
    u32 least = 0xffffffffu;
    const float bound = fmaxf(filter.floor, filter.minimum);
    const float low = bound > 0.0f ? logf(bound) - kSlack : -infinity();
    forSegments(s, partCount, [&](int index, const Segment&, const float (&logits)[kQuads * 4])
    {
        double sum = 0.0;
        int equals = 0;
#pragma unroll
        for (int quad = 0; quad < kQuads; quad++)
        {
            float weights[4];
            if (IsFiltered)
            {
                const float greatest = fmaxf(fmaxf(logits[4 * quad], logits[4 * quad + 1]), fmaxf(logits[4 * quad + 2], logits[4 * quad + 3]));
                if (greatest < weighing.least || weighing.exponent(greatest) < low)
                {
                    continue;
                }
            }

#pragma unroll
            for (int i = 0; i < 4; i++)
            {
                const float logit = logits[4 * quad + i];
                weights[i] = exponential(weighing.exponent(logit));
                if (IsFiltered)
                {
                    equals += filter.isEqual(logit, weights[i]) ? 1 : 0;
                    weights[i] = filter.isAbove(logit, weights[i]) ? weights[i] : 0.0f;
                }

                least = min(least, static_cast<u32>(__float_as_int(weights[i])) - 1u); // 0 becomes the greatest
            }

            sum += (static_cast<double>(weights[0]) + weights[1]) + (static_cast<double>(weights[2]) + weights[3]);
        }

        sum = warpTotal(sum);
        if (IsFiltered)
        {
            equals = static_cast<int>(__reduce_add_sync(kAllLanes, static_cast<u32>(equals)));
        }

        if (threadIdx.x % kWarp == 0)
        {
            s.sums[index] = sum;
            s.equals[index] = equals;
        }
    });
    return least;
}

// For one warp: the first token of a segment at which the running sum passes the target; -1 if the sum before or behind it is nearer to the target than the margin.
LOIRE_DEVICE int walk(const Segment& segment, const Weighing& weighing, const Filter& filter, double before, int equalsLeft, double target, double margin)
{
    const int lane = threadIdx.x % kWarp;
    for (int quad = 0; quad < kQuads; quad++)
    {
        float weights[4];
        bool areEqual[4];
        int equals = 0;
        for (int i = 0; i < 4; i++)
        {
            const float logit = segment.logit(segment.at(quad, i));
            weights[i] = exponential(weighing.exponent(logit));
            areEqual[i] = filter.isEqual(logit, weights[i]);
            equals += areEqual[i] ? 1 : 0;
            weights[i] = areEqual[i] || filter.isAbove(logit, weights[i]) ? weights[i] : 0.0f;
        }

        int equalsThrough = equals;
#pragma unroll
        for (int distance = 1; distance < kWarp; distance *= 2)
        {
            const int other = __shfl_up_sync(kAllLanes, equalsThrough, distance);
            equalsThrough += lane >= distance ? other : 0;
        }

        int left = equalsLeft - (equalsThrough - equals);
        double own = 0.0;
        for (int i = 0; i < 4; i++)
        {
            weights[i] = areEqual[i] && left <= 0 ? 0.0f : weights[i];
            left -= areEqual[i] ? 1 : 0;
            own += weights[i];
        }

        double through = own;
#pragma unroll
        for (int distance = 1; distance < kWarp; distance *= 2)
        {
            const double other = __shfl_up_sync(kAllLanes, through, distance);
            through += lane >= distance ? other : 0.0;
        }

        const double previous = __shfl_up_sync(kAllLanes, through, 1);
        double sum = before + (lane > 0 ? previous : 0.0);
        int found = kNotFound;
        for (int i = 0; i < 4 && found == kNotFound; i++)
        {
            const double next = sum + weights[i];
            if (weights[i] > 0.0f && next > target)
            {
                found = target - sum >= margin && next - target >= margin ? segment.firstToken + segment.at(quad, i) : -1;
            }

            sum = next;
        }

        const u32 finders = __ballot_sync(kAllLanes, found != kNotFound);
        if (finders != 0)
        {
            return __shfl_sync(kAllLanes, found, __ffs(static_cast<int>(finders)) - 1);
        }

        before += __shfl_sync(kAllLanes, through, kWarp - 1);
        equalsLeft -= __shfl_sync(kAllLanes, equalsThrough, kWarp - 1);
    }

    return -1;
}

// From the sums of the segments. least: as sumSegments gives it.
LOIRE_DEVICE void drawFrom(RowState& s, const RowDrawParameters& p, const RowChoice& choice, const Weighing& weighing, const Filter& filter, const Nucleus& nucleus, u32 least)
{
    const int segment = threadIdx.x;
    const bool isThere = segment < s.segments;
    const u32 leastEqual = nucleus.floor > 0.0f && nucleus.floor >= filter.minimum ? static_cast<u32>(__float_as_int(nucleus.floor)) - 1u : 0xffffffffu;
    least = leastOf(min(least, leastEqual), s.warpLeasts);
    const int equals = isThere ? s.equals[segment] : 0;
    const Running<int> counts = running(equals, s.warpCounts);
    const int left = max(0, nucleus.equals - counts.before);
    const double own = isThere ? s.sums[segment] + static_cast<double>(min(equals, left)) * nucleus.floor : 0.0;
    const Running<double> sums = running(own, s.warpSums);
    const double target = __dmul_rn(uniformOf(choice), sums.total);
    const double margin = (isExact(sums.total, least + 1u) ? 0.0 : roundingOf(p.vocabulary) * sums.total) + nucleus.doubt;
    const int finder = firstThread(own > 0.0 && sums.through > target, s.warpLeasts);
    if (finder == kThreads)
    {
        return;
    }

    if (segment == finder)
    {
        s.above = sums.before;
        s.wanted = left;
    }

    __syncthreads();
    if (threadIdx.x < kWarp)
    {
        const int token = walk(segmentOf(s, p.partCount, finder), weighing, filter, s.above, s.wanted, target, margin);
        if (token >= 0 && threadIdx.x == 0)
        {
            decide(&p.chosen[blockIdx.x], &p.carried[blockIdx.x], choice, token);
        }
    }
}

// ---- The kernel ---------------------------------------------------------------------------------------------------------------

// Where the row's parts lie, and whether it can be drawn from.
LOIRE_DEVICE void lay(RowState& s, const RowDrawParameters& p)
{
    const i64 row = blockIdx.x;
    const int part = threadIdx.x;
    if (part < p.partCount)
    {
        const RowPart& own = p.parts[part];
        const float max = own.maxima[row];
        const float logProb = own.logProbs[row];
        s.maxima[part] = max;
        s.sound[part] = max == -infinity() || (max < infinity() && logProb == logProb); // otherwise there is a NaN or +infinity: the host finds which
        s.logits[part] = own.logits + row * own.columns;
        s.columns[part] = static_cast<int>(own.columns);
        s.firstToken[part] = static_cast<int>(own.firstToken);
        s.lead[part] = static_cast<int>((reinterpret_cast<u64>(s.logits[part]) / sizeof(float)) % 4);
    }

    __syncthreads();
    if (threadIdx.x == 0)
    {
        float max = -infinity();
        bool isSound = true;
        int segments = 0;
        for (int i = 0; i < p.partCount; i++)
        {
            max = fmaxf(max, s.maxima[i]);
            isSound = isSound && s.sound[i];
            s.firstSegment[i] = segments;
            segments += (s.lead[i] + s.columns[i] + kSegment - 1) / kSegment;
        }

        s.max = max;
        s.isSound = isSound && max > -infinity();
        s.segments = segments;
    }

    __syncthreads();
}

// One block a row. Passes over the row: three for a top-k, three for a top-p, one for the sums of the segments; then a single segment.
LOIRE_KERNEL void __launch_bounds__(kThreads) draw_from_rows(const __grid_constant__ RowDrawParameters p)
{
    __shared__ RowState s;
    const i64 row = blockIdx.x;
    waitForPrimary();
    launchDependents();
    const RowChoice choice = p.choices[row];
    if (choice.kind != kDraw || p.chosen[row] >= 0)
    {
        return;
    }

    lay(s, p);
    if (!s.isSound)
    {
        return;
    }

    const bool hasTop = choice.topK > 0 && choice.topK < p.vocabulary;
    const float kth = hasTop ? kthGreatest(s, p.partCount, choice.topK) : -infinity();
    const Weighing weighing = { s.max, choice.scale, kth };
    Nucleus nucleus = { 0.0f, 0, 0.0 };
    if (choice.topP < 1.0f && !findNucleus(s, p.partCount, weighing, hasTop, choice.topP, roundingOf(p.vocabulary), nucleus))
    {
        return;
    }

    const Filter filter = { kth, nucleus.floor, choice.minP };
    const bool isFiltered = hasTop || choice.topP < 1.0f || choice.minP > 0.0f;
    const u32 least = isFiltered ? sumSegments<true>(s, p.partCount, weighing, filter) : sumSegments<false>(s, p.partCount, weighing, filter);
    __syncthreads();
    drawFrom(s, p, choice, weighing, filter, nucleus, least);
}
