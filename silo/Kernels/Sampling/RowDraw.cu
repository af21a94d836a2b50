// The token of a row that its best candidates leave open, drawn from the whole row.
#include "Draws.cuh"

static constexpr int kThreads = 1024;
static constexpr int kWarps = kThreads / kWarp;
static constexpr int kQuads = 4;                      // of each lane in a segment
static constexpr int kSegment = kQuads * 4 * kWarp;   // tokens that a warp takes at a time
static constexpr int kMostSegments = kThreads;        // of a row: a thread has one
static constexpr int kDigits = 2048;
static constexpr int kNotFound = -2;                  // neither a token nor that there is none for certain

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

// 2^exponent.
LOIRE_DEVICE double powerOf2(int exponent) { return __hiloint2double((exponent + 1023) << 20, 0); }

// All weights are multiples of the last bit of the least one. A double holds 2^53 of those: below that nothing is rounded, here or on the host, in whatever order it is added up.
LOIRE_DEVICE bool isExact(double sum, u32 leastBits) { return sum < powerOf2(static_cast<int>(leastBits >> 23) - 127 - 23 + 53); }

// Otherwise: how far a comparison of sums may lie from the host's, as a share of the whole. Each addition in double errs by 2^-53 of it at most, in whatever order: so many
// of them for each of two sums, here and there, and a few operations more.
LOIRE_DEVICE double roundingOf(int vocabulary) { return (vocabulary + 8) * (4.0 * powerOf2(-53)); }

// Of a token's logit.
struct Weighing
{
    float max;
    float scale;
    float least; // logit of the last that top-k keeps

    LOIRE_DEVICE float exponent(float logit) const { return __fmul_rn(__fsub_rn(logit, max), scale); }
};

// The fewest heaviest weights that reach a share of all; none is dropped at a floor of 0.
struct Nucleus
{
    float floor;   // heavier ones are kept
    int equals;    // of that weight, the first so many are kept
    double doubt;  // the host's nucleus may be so much heavier or lighter
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

// ---- Top-k ------------------------------------------------------------------------------------------------------------------

// Orders as the number does; no NaN. That 0 is above -0 does not matter: the K-th is the same number.
LOIRE_DEVICE u32 keyOf(float value)
{
    const u32 bits = static_cast<u32>(__float_as_int(value));
    return bits & 0x80000000u ? ~bits : bits | 0x80000000u;
}

LOIRE_DEVICE float valueOf(u32 key) { return __int_as_float(static_cast<int>(key & 0x80000000u ? key ^ 0x80000000u : ~key)); }

// Adds amounts of a warp's lanes to their digits: at once where all have the same one, as equals do. add(digit, amount) is for a single lane.
template <typename Add>
LOIRE_DEVICE void tally(bool isIn, u32 digit, u32 amount, const Add& add)
{
    const u32 lanes = __ballot_sync(kAllLanes, isIn);
    if (lanes == 0)
    {
        return;
    }

    const int leader = __ffs(static_cast<int>(lanes)) - 1;
    const u32 first = __shfl_sync(kAllLanes, digit, leader);
    if (__ballot_sync(kAllLanes, isIn && digit == first) != lanes)
    {
        if (isIn)
        {
            add(digit, amount);
        }

        return;
    }

    const u32 sum = __reduce_add_sync(kAllLanes, isIn ? amount : 0u);
    if (static_cast<int>(threadIdx.x % kWarp) == leader)
    {
        add(first, sum);
    }
}

// The K-th greatest logit, by digits of 11, 11 and 10 bits: a pass for each.
LOIRE_DEVICE float kthGreatest(RowState& s, int partCount, int k)
{
    u32 prefix = 0;
    int wanted = k;
    for (int digit = 0; digit < 3; digit++)
    {
        const int shift = digit == 0 ? 21 : digit == 1 ? 10 : 0;
        const u32 known = digit == 0 ? 0u : digit == 1 ? 0xffffffffu << 21 : 0xffffffffu << 10;
        clear(s.histogram);
        forSegments(s, partCount, [&](int, const Segment&, const float (&logits)[kQuads * 4])
        {
#pragma unroll
            for (int i = 0; i < kQuads * 4; i++)
            {
                const u32 key = keyOf(logits[i]);
                tally((key & known) == prefix, (key & ~known) >> shift, 1u, [&](u32 at, u32 count) { atomicAdd(&s.histogram[at], count); });
            }
        });
        __syncthreads();

        // Thread t has the digits 2047 - 2t and 2046 - 2t.
        const int upper = kDigits - 1 - 2 * static_cast<int>(threadIdx.x);
        const int ofUpper = static_cast<int>(s.histogram[upper]);
        const int own = ofUpper + static_cast<int>(s.histogram[upper - 1]);
        const Running<int> counts = running(own, s.warpCounts);
        if (counts.before < wanted && counts.through >= wanted)
        {
            const bool isUpper = counts.before + ofUpper >= wanted;
            s.prefix = prefix | static_cast<u32>(isUpper ? upper : upper - 1) << shift;
            s.wanted = wanted - counts.before - (isUpper ? 0 : ofUpper);
        }

        __syncthreads();
        prefix = s.prefix;
        wanted = s.wanted;
    }

    return valueOf(prefix);
}

// ---- Top-p ------------------------------------------------------------------------------------------------------------------

static constexpr float kSlack = 1e-4f; // of a logarithm: beyond it a weight is on the other side of a bound for certain
static constexpr int kMassDigits = 1024;

// Adds the weights with the known digits to the histogram. A digit of the first pass or of later ones is of one exponent, so that sums are of integers: mantissas, in halves of 12 bits.
LOIRE_DEVICE void addMasses(RowState& s, int partCount, const Weighing& weighing, bool isAll, u32 prefix, u32 known, int shift)
{
    const auto add = [&](bool isThere, float weight)
    {
        const u32 bits = static_cast<u32>(__float_as_int(weight));
        const bool isIn = isThere && weight > 0.0f && (bits & known) == prefix;
        tally(isIn, (bits & ~known) >> shift, (bits & 0x7fffffu) | 0x800000u, [&](u32 at, u32 amount)
        {
            atomicAdd(&s.histogram[at], amount & 0xfffu);
            atomicAdd(&s.histogram[kMassDigits + at], amount >> 12);
        });
    };
    const float low = known == 0 ? -infinity() : logf(__int_as_float(static_cast<int>(prefix))) - kSlack;
    const float high = known == 0 ? infinity() : logf(__int_as_float(static_cast<int>(prefix | ~known))) + kSlack;
    forSegments(s, partCount, [&](int, const Segment& segment, const float (&logits)[kQuads * 4])
    {
        if (isAll)
        {
#pragma unroll
            for (int i = 0; i < kQuads * 4; i++)
            {
                add(true, exponential(weighing.exponent(logits[i])));
            }

            return;
        }

        u32 marks = 0;
#pragma unroll
        for (int i = 0; i < kQuads * 4; i++)
        {
            const float x = weighing.exponent(logits[i]);
            marks |= logits[i] >= weighing.least && x >= low && x <= high ? 1u << i : 0u;
        }

        while (__any_sync(kAllLanes, marks != 0))
        {
            const bool isThere = marks != 0;
            const int i = isThere ? __ffs(static_cast<int>(marks)) - 1 : 0;
            marks &= marks - 1;
            add(isThere, isThere ? exponential(weighing.exponent(segment.logit(segment.at(i / 4, i % 4)))) : 0.0f);
        }
    });
}

// By digits of 10 bits, a pass for each. False: it is not certain.
LOIRE_DEVICE bool findNucleus(RowState& s, int partCount, const Weighing& weighing, bool hasTop, float topP, double rounding, Nucleus& nucleus)
{
    u32 prefix = 0;
    double above = 0.0;
    double target = 0.0;
    double margin = 0.0;
    double own = 0.0;
    for (int shift = 20; shift >= 0; shift -= 10)
    {
        const u32 known = shift == 20 ? 0u : 0xffffffffu << (shift + 10);
        clear(s.histogram);
        addMasses(s, partCount, weighing, !hasTop && known == 0, prefix, known, shift);
        __syncthreads();

        // Thread t has the digit 1023 - t.
        const u32 digit = kMassDigits - 1 - threadIdx.x;
        const u32 bits = prefix | digit << shift;
        own = (s.histogram[kMassDigits + digit] * 4096.0 + s.histogram[digit]) * powerOf2(static_cast<int>(bits >> 23) - 127 - 23);
        const Running<double> masses = running(own, s.warpSums);
        if (known == 0)
        {
            const u32 least = leastOf(own > 0.0 ? bits : 0xffffffffu, s.warpLeasts);
            target = fmax(__dmul_rn(topP, masses.total), 1e-300); // one is always kept
            margin = isExact(masses.total, least) ? 0.0 : rounding * masses.total;
        }

        const int finder = firstThread(own > 0.0 && above + masses.through >= target, s.warpLeasts);
        if (finder == kThreads)
        {
            return false;
        }

        if (static_cast<int>(threadIdx.x) == finder)
        {
            s.prefix = bits;
            s.above = above + masses.before;
        }

        __syncthreads();
        prefix = s.prefix;
        above = s.above;
        if (shift == 0)
        {
            own = static_cast<double>(s.histogram[kMassDigits + (prefix & 0x3ffu)]) * 4096.0 + s.histogram[prefix & 0x3ffu];
        }
    }

    const double floor = __int_as_float(static_cast<int>(prefix));
    const double count = own / ((prefix & 0x7fffffu) | 0x800000u);
    const double kept = fmax(1.0, fmin(count, ceil((target - above) / floor)));
    const bool isFirst = above == 0.0 && kept == 1.0;
    const bool isCertain = (isFirst || fabs(target - (above + (kept - 1.0) * floor)) >= margin) && fabs(above + kept * floor - target) >= margin;
    nucleus = { static_cast<float>(floor), static_cast<int>(kept), isCertain ? 0.0 : floor + 2.0 * margin };
    return true;
}

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
