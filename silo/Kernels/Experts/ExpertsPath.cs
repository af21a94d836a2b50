namespace Loire.Kernels;

/// <summary>The ways to compute experts.</summary>
public enum ExpertsPath
{
    /// <summary>A warp an element: any shape, any type.</summary>
    Any,

    /// <summary>Weights are read once, straight to the tensor cores: few entries an expert.</summary>
    Stream,

    /// <summary>Large tiles on the matrix units of compute capability 9.0: many entries an expert.</summary>
    Prefill,
}

/// <summary>Chooses the way of experts.</summary>
public static class ExpertsChoice
{
    /// <summary>From so many entries an expert on, in the mean, large tiles are faster: tests/Benchmarks/results.</summary>
    public const int PrefillEntries = 24;

    /// <param name="entries">Choices of all rows.</param>
    /// <param name="experts">Of which the choices are.</param>
    /// <param name="weights">Their shape.</param>
    /// <param name="canStream">Whether type and GPU allow it.</param>
    /// <param name="canPrefill">Whether type and GPU allow it.</param>
    public static ExpertsPath Of(int entries, int experts, in ExpertWeights weights, bool canStream, bool canPrefill)
    {
        if (weights.Hidden % LinearChoice.StreamedDepth != 0 || weights.Width % LinearChoice.StreamedDepth != 0 || weights.Count > Router.MostExperts)
        {
            return ExpertsPath.Any;
        }

        if (canPrefill && entries >= (long)PrefillEntries * experts)
        {
            return ExpertsPath.Prefill;
        }

        return canStream ? ExpertsPath.Stream : ExpertsPath.Any;
    }
}
