using Loire.Contracts;
using Loire.Engine.Sampling;

namespace Loire.Silo.Replicas;

/// <summary>From the wire's sampling options to the engine's.</summary>
internal static class SamplingMap
{
    public static SamplingSettings ToSettings(this SamplingOptions options) => new()
    {
        Temperature = options.Temperature,
        TopK = options.TopK,
        TopP = options.TopP,
        MinP = options.MinP,
        RepetitionPenalty = options.RepetitionPenalty,
        PresencePenalty = options.PresencePenalty,
        FrequencyPenalty = options.FrequencyPenalty,
        Seed = options.Seed,
        LogitBias = options.LogitBias.IsEmpty ? null : options.LogitBias,
        LogProbs = options.LogProbs,
    };
}
