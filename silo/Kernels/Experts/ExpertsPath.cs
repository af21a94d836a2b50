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

    /// <summary>The same where large tiles have to wait until weights of 8 bits are brain floats.</summary>
    public const int Float8PrefillEntries = 128;

    /// <summary>Whether tensor cores take experts of a shape.</summary>
    public static bool IsTiled(int hidden, int width) => hidden % LinearChoice.StreamedDepth == 0 && width % LinearChoice.StreamedDepth == 0;

    /// <param name="entries">Choices of all rows.</param>
    /// <param name="experts">Of which the choices are.</param>
    /// <param name="weights">Their shape.</param>
    /// <param name="canStream">Whether type and GPU allow it.</param>
    /// <param name="canPrefill">Whether type and GPU allow it.</param>
    public static ExpertsPath Of(int entries, int experts, in ExpertWeights weights, bool canStream, bool canPrefill)
    {
        if (!IsTiled(weights.Hidden, weights.Width) || weights.Count > Router.MostExperts)
        {
            return ExpertsPath.Any;
        }

        var prefillEntries = weights.Type is WeightType.Float8 ? Float8PrefillEntries : PrefillEntries;
        if (canPrefill && entries >= (long)prefillEntries * experts)
        {
            return ExpertsPath.Prefill;
        }

        return canStream ? ExpertsPath.Stream : ExpertsPath.Any;
    }
}
