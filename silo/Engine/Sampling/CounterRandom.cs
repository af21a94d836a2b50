namespace Loire.Engine.Sampling;

/// <summary>Random numbers without a state: a pure function of seed and position (Philox4x32-10).</summary>
public static class CounterRandom
{
    /// <summary>Uniform in [0, 1), 53 bits.</summary>
    public static double Uniform(ulong seed, ulong position, uint lane = 0) => throw new NotImplementedException();
}
