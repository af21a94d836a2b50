// The token of each row, where it is certain, and the way of such tokens into the next step.
#include "Draws.cuh"

static constexpr int kCandidates = 64; // of a row, and of each part of it
static constexpr int kNoToken = 0x7fffffff; // after all others

// The twin of TokenChoice.PartAddresses.
struct ChoicePart
{
    const int* tokens;            // [rows]: the best of the part
    const float* logProbs;        // [rows], among the part's tokens
    const float* maxima;          // [rows]: logits of the best
    const int* candidateTokens;   // [rows, 64], best first, -1 after the last; null: there are none
    const float* candidateLogits; // [rows, 64]
    i64 firstToken;               // that of the whole vocabulary which is the part's 0
};

// The twin of TokenChoice.Parameters.
struct ChoiceParameters
{
    const RowChoice* choices; // [rows]
    int* chosen;              // [rows]; -1: not decided
    int* carried;             // [rows]; -1: also for an end
    ChoicePart parts[kMostParts];
    int partCount;
    int vocabulary;           // of all parts
};

// ---- The host's tolerances: OtherTokens, LogitCandidates, CandidateDraw ------------------------------------------------

static constexpr double kWeightTolerance = 2e-5; // of a weight in fp32, and of a sum of them
static constexpr double kSumTolerance = 2e-5;    // of the sum that a log-probability stands for
static constexpr double kRounding = 1e-9;        // of the whole row's sums, as a share of the greatest: here and there each addition is in double

// ---- What the threads of a block know ----------------------------------------------------------------------------------

struct PartBest
{
    int token;
    float logProb;
    float max;
};

// A weight as the filters leave it: 0 at least where it may be dropped, 0 at most where it is for certain.
struct Bounds
{
    double least;
    double most;
};

struct RowState
{
    Bounds weights[kCandidates]; // after top-k
    Bounds kept[kCandidates];    // after all filters
    double atOne[kCandidates];   // e^(logit - max)
    double above[kCandidates];   // the least weight of those that are heavier than any other token may be
    double shares[kMostParts];   // of the sum of exponentials, in the best part's
    PartBest bests[kMostParts];
    float partLogits[kMostParts][kCandidates];
    float logits[kCandidates];   // best first; the first part's, then the lower token, among equals
    float heaviness[kCandidates];
    int tokens[kCandidates];
};

// What is certain of the tokens that are no candidates.
struct Others
{
    double mostOfOne; // no weight is greater
    double least;     // their weights come to no less,
    double most;      // and to no more
};

// ---- Numbers -------------------------------------------------------------------------------------------------------------

// As few tokens as can have that sum, each as heavy as the least candidate: their sum at another temperature.
LOIRE_DEVICE double sumOfFew(double sum, double depth, double scale) { return sum == 0.0 ? 0.0 : exp(log(sum) + (scale - 1.0) * depth); }

// The same of all tokens alike.
LOIRE_DEVICE double sumOfAlike(double sum, int count, double scale) { return sum == 0.0 ? 0.0 : count * exp(scale * log(sum / count)); }

// ---- Parts -----------------------------------------------------------------------------------------------------------------

// The part with the greatest maximum, the first among equals; -1: none is above -infinity.
LOIRE_DEVICE int bestPart(const PartBest* bests, int count)
{
    int best = -1;
    float max = -infinity();
    for (int part = 0; part < count; part++)
    {
        if (bests[part].max > max)
        {
            best = part;
            max = bests[part].max;
        }
    }

    return best;
}

// What a part's exponentials come to, as a share of the best part's.
LOIRE_DEVICE double shareOf(const PartBest& part, const PartBest& best)
{
    return part.max == -infinity() ? 0.0 : exp(static_cast<double>(part.max) - best.max + (static_cast<double>(best.logProb) - part.logProb));
}

// How many of a part's logits, greatest first and then NaN, come before one of another part.
LOIRE_DEVICE int countBefore(const float* logits, float logit, bool isEarlier)
{
    int count = 0;
#pragma unroll
    for (int step = kCandidates; step > 0; step /= 2)
    {
        const int through = count + step;
        if (through <= kCandidates && (isEarlier ? logits[through - 1] >= logit : logits[through - 1] > logit))
        {
            count = through;
        }
    }

    return count;
}

// The place of candidate i of a part among all of them.
LOIRE_DEVICE int rankOf(const RowState& s, int partCount, int part, int i, float logit)
{
    int rank = i;
    for (int other = 0; other < partCount; other++)
    {
        rank += other == part ? 0 : countBefore(s.partLogits[other], logit, other < part);
    }

    return rank;
}

// ---- A draw: the host's Sampler.TrySample with settings that change no logit --------------------------------------------

// At the temperature. known: the candidates' e^(x - max); logProb: of the best in the whole row; count: of the others.
LOIRE_DEVICE Others othersAt(double known, double mostOfOne, float logProb, float least, float max, int count, float scale)
{
    // Weights at temperature 1 are raised to the power of the scale: a sum of powers is greatest or least where few are as great as may be, or where all are alike.
    const double depth = static_cast<double>(least) - max;
    const double all = exp(static_cast<double>(max) - logProb - max); // as the host rounds it
    const double ceiling = count * exp(depth);
    const double leastLeft = all * (1.0 - kSumTolerance) - known;
    const double mostLeft = all * (1.0 + kSumTolerance) - known;
    const double leastAtOne = leastLeft > 0.0 ? fmin(leastLeft, ceiling) : 0.0;
    const double mostAtOne = mostLeft < ceiling ? fmax(mostLeft, 0.0) : ceiling;
    const bool isFlatter = scale < 1.0f;
    Others others;
    others.mostOfOne = mostOfOne;
    others.least = (isFlatter ? sumOfFew(leastAtOne, depth, scale) : sumOfAlike(leastAtOne, count, scale)) * (1.0 - kWeightTolerance);
    others.most = (isFlatter ? sumOfAlike(mostAtOne, count, scale) : sumOfFew(mostAtOne, depth, scale)) * (1.0 + kWeightTolerance);
    return others;
}

// Whether a share of the whole lies beyond what is on this side of it, though this side is as heavy as can be, and the other as light.
LOIRE_DEVICE bool isPassed(double mostHere, double leastBeyond, double share, double rounding)
{
    return mostHere == 0.0 || (1.0 - share) * mostHere + rounding < share * leastBeyond;
}

// Whether candidate t is certain to be the token: for 64 threads, of which at most one is told so. logProb: of the best candidate.
// Nothing is sorted: each thread adds up what comes before its candidate in the order that is wanted.
LOIRE_DEVICE bool isDrawn(RowState& s, const RowChoice& choice, int vocabulary, int count, float logProb)
{
    const int t = threadIdx.x;
    const bool isThere = t < count;
    const float logit = isThere ? s.logits[t] : -infinity();
    const int token = isThere ? s.tokens[t] : kNoToken;
    const float max = s.logits[0];
    const float ceiling = count < vocabulary ? s.logits[count - 1] : -infinity(); // of the other tokens
    const bool hasOthers = ceiling > -infinity();
    const double mostOfOne = hasOthers ? exp((static_cast<double>(ceiling) - max) * choice.scale) * (1.0 + kWeightTolerance) : 0.0;

    // 1. Weights, and top-k.
    const float weight = exponential(__fmul_rn(__fsub_rn(logit, max), choice.scale));
    Bounds bounds = { weight, weight };
    const bool hasTop = choice.topK > 0 && choice.topK < vocabulary;
    const bool isTopCertain = hasTop && choice.topK <= count && s.logits[choice.topK - 1] > ceiling;
    if (isTopCertain && logit < s.logits[choice.topK - 1])
    {
        bounds = { 0.0, 0.0 };
    }
    else if (hasTop && !isTopCertain && logit <= ceiling)
    {
        bounds.least = 0.0; // those above all others are fewer than K, and stay
    }

    s.heaviness[t] = weight;
    s.weights[t] = bounds;
    s.atOne[t] = exp(static_cast<double>(logit) - max);
    s.above[t] = weight > mostOfOne ? bounds.least : 0.0;
    if (!isThere)
    {
        s.tokens[t] = kNoToken;
    }

    __syncthreads();

    // 2. Sums over all, and over those that are heavier or, of the same weight, lower.
    double known = 0.0;
    double least = 0.0;
    double most = 0.0;
    double leastBefore = 0.0;
    double mostBefore = 0.0;
    double leastAbove = 0.0;
#pragma unroll 8
    for (int j = 0; j < kCandidates; j++)
    {
        const Bounds other = s.weights[j];
        const bool isBefore = s.heaviness[j] > weight || (s.heaviness[j] == weight && s.tokens[j] < token);
        known += s.atOne[j];
        least += other.least;
        most += other.most;
        leastBefore += isBefore ? other.least : 0.0;
        mostBefore += isBefore ? other.most : 0.0;
        leastAbove += s.above[j];
    }

    Others others = { 0.0, 0.0, 0.0 };
    if (hasOthers)
    {
        others = othersAt(known, mostOfOne, logProb, ceiling, max, vocabulary - count, choice.scale);
        others.least = hasTop ? 0.0 : others.least;
        others.most = isTopCertain ? 0.0 : others.most;
    }

    // 3. Top-p: a token is kept when those before it do not reach the target; one is always kept.
    if (choice.topP < 1.0f)
    {
        const double rounding = kRounding * (most + others.most);
        const double leastTarget = choice.topP * (least + others.least) - rounding;
        const double mostTarget = choice.topP * (most + others.most) + rounding;
        mostBefore += weight > mostOfOne ? 0.0 : others.most;
        if (leastBefore >= mostTarget)
        {
            bounds = { 0.0, 0.0 };
        }
        else if (mostBefore > 0.0 && mostBefore >= leastTarget)
        {
            bounds.least = 0.0;
        }

        others.least = 0.0;
        others.most = leastAbove >= mostTarget ? 0.0 : fmin(others.most, mostTarget - leastAbove + mostOfOne);
    }

    // 4. Min-p.
    if (choice.minP > 0.0f)
    {
        bounds = weight < choice.minP ? Bounds{ 0.0, 0.0 } : bounds;
        others.most = mostOfOne < choice.minP ? 0.0 : others.most;
    }

    s.kept[t] = bounds;
    __syncthreads();

    // 5. The draw, in the order of the tokens. What lies behind is added up and not subtracted: it is 0 only where nothing does.
    leastBefore = 0.0;
    mostBefore = 0.0;
    double leastBehind = 0.0;
    double mostBehind = 0.0;
#pragma unroll 8
    for (int j = 0; j < kCandidates; j++)
    {
        const Bounds other = s.kept[j];
        const bool isBefore = s.tokens[j] < token;
        const bool isBehind = s.tokens[j] > token;
        leastBefore += isBefore ? other.least : 0.0;
        mostBefore += isBefore ? other.most : 0.0;
        leastBehind += isBehind ? other.least : 0.0;
        mostBehind += isBehind ? other.most : 0.0;
    }

    const double uniform = uniformOf(choice);
    const double rounding = kRounding * (mostBefore + bounds.most + mostBehind + others.most);
    return bounds.least > 0.0
        && isPassed(mostBefore + others.most, bounds.least + leastBehind, uniform, rounding)
        && isPassed(mostBehind + others.most, leastBefore + bounds.least, 1.0 - uniform, rounding);
}

// ---- Kernels -----------------------------------------------------------------------------------------------------------------

// One block a row: for each part 64 threads, which have a candidate each.
LOIRE_KERNEL void __launch_bounds__(kMostParts * kCandidates) choose_tokens(const __grid_constant__ ChoiceParameters p)
{
    __shared__ RowState s;
    const i64 row = blockIdx.x;
    const int part = threadIdx.x / kCandidates;
    const int i = threadIdx.x % kCandidates;
    const ChoicePart& own = p.parts[part];
    const bool hasCandidates = own.candidateTokens != nullptr;
    waitForPrimary();
    launchDependents();

    // 1. What the parts have found: read at once, and before it is known whether it is wanted, as a part may be a GPU away.
    const RowChoice choice = p.choices[row];
    const int local = hasCandidates ? own.candidateTokens[row * kCandidates + i] : -1;
    const float logit = hasCandidates ? own.candidateLogits[row * kCandidates + i] : 0.0f;
    s.partLogits[part][i] = local < 0 ? __int_as_float(0x7fc00000) : logit; // NaN comes before nothing
    if (i == 0)
    {
        s.bests[part] = { own.tokens[row], own.logProbs[row], own.maxima[row] };
    }

    __syncthreads();

    // 2. Joined: the sum of exponentials, and the best candidates of all.
    const int best = bestPart(s.bests, p.partCount);
    if (choice.kind == kNone || best < 0)
    {
        if (threadIdx.x == 0)
        {
            decide(&p.chosen[row], &p.carried[row], choice, -1);
        }

        return;
    }

    if (i == 0)
    {
        s.shares[part] = shareOf(s.bests[part], s.bests[best]);
    }

    const int rank = rankOf(s, p.partCount, part, i, logit);
    if (local >= 0 && rank < kCandidates)
    {
        s.logits[rank] = logit;
        s.tokens[rank] = static_cast<int>(own.firstToken) + local;
    }

    const int count = min(kCandidates, __syncthreads_count(local >= 0));
    if (part > 0)
    {
        return; // barriers count the threads that are left
    }

    double sum = 0.0;
    for (int other = 0; other < p.partCount; other++)
    {
        sum += s.shares[other];
    }

    const float logProb = static_cast<float>(static_cast<double>(s.bests[best].logProb) - log(sum));
    const bool isSound = logProb == logProb; // otherwise there is a NaN or +infinity: the host finds which

    // 3. Chosen.
    const bool isDrawing = isSound && choice.kind == kDraw && count > 0;
    const bool isFound = isDrawing && isDrawn(s, choice, p.vocabulary, count, logProb);
    const bool isAnyFound = __syncthreads_or(isFound);
    if (isFound)
    {
        decide(&p.chosen[row], &p.carried[row], choice, s.tokens[threadIdx.x]);
    }
    else if (threadIdx.x == 0 && !isAnyFound)
    {
        decide(&p.chosen[row], &p.carried[row], choice, isSound && choice.kind == kBest ? static_cast<int>(p.parts[best].firstToken) + s.bests[best].token : -1);
    }
}

// The twin of TokenChoice.TakeParameters.
struct TakeParameters
{
    int* tokens;              // [rows]: those below 0 are -1 - the place among the carried
    int* positions;           // [rows]
    const int* sequenceOfRow; // [rows]
    int* slot;                // [sequences]
    int* pageTable;           // [sequences, pageStride]
    const int* carried;       // of earlier steps; -1: it does not go on
    i64 pageStride;
    int rows;
    int spareSlot;
    int sparePage;
};

// A thread has a row. A sequence that does not go on has no other row, and becomes what pads a step.
LOIRE_KERNEL void __launch_bounds__(256) take_tokens(const __grid_constant__ TakeParameters p)
{
    const int row = blockIdx.x * blockDim.x + threadIdx.x;
    waitForPrimary();
    launchDependents();
    if (row >= p.rows || p.tokens[row] >= 0)
    {
        return;
    }

    const int token = p.carried[-1 - p.tokens[row]];
    p.tokens[row] = max(0, token);
    if (token < 0)
    {
        const int sequence = p.sequenceOfRow[row];
        p.positions[row] = 0;
        p.slot[sequence] = p.spareSlot;
        p.pageTable[sequence * p.pageStride] = p.sparePage;
    }
}
