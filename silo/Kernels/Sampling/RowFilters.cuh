// Which tokens of a row a top-k and a top-p keep: found by digits of the bits, in passes over its segments.
#ifndef LOIRE_ROW_FILTERS
#define LOIRE_ROW_FILTERS

#include "RowSegments.cuh"

// ---- Sums ---------------------------------------------------------------------------------------------------------------------

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

#endif
