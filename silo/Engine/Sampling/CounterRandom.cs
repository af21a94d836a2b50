namespace Loire.Engine.Sampling;

/// <summary>Random numbers without a state: a pure function of seed and position, the same on every machine.</summary>
/// <remarks>Philox4x32-10 of Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011: key = seed, counter = position and lane.</remarks>
public static class CounterRandom
{
    private const uint Multiplier0 = 0xD2511F53;
    private const uint Multiplier1 = 0xCD9E8D57;
    private const uint Weyl0 = 0x9E3779B9;
    private const uint Weyl1 = 0xBB67AE85;
    private const int Rounds = 10;

    /// <summary>Uniform in [0, 1), a multiple of 2^−53.</summary>
    public static double Uniform(ulong seed, ulong position, uint lane = 0)
    {
        var (x0, x1, _, _) = Philox((uint)seed, (uint)(seed >> 32), (uint)position, (uint)(position >> 32), lane, 0);
        return (((ulong)x1 << 32 | x0) >> 11) * (1.0 / (1UL << 53));
    }

    /// <summary>The block cipher itself: four words of counter under two words of key.</summary>
    internal static (uint X0, uint X1, uint X2, uint X3) Philox(uint key0, uint key1, uint x0, uint x1, uint x2, uint x3)
    {
        for (var round = 0; round < Rounds; round++)
        {
            var product0 = (ulong)Multiplier0 * x0;
            var product1 = (ulong)Multiplier1 * x2;
            (x0, x1, x2, x3) = ((uint)(product1 >> 32) ^ x1 ^ key0, (uint)product1, (uint)(product0 >> 32) ^ x3 ^ key1, (uint)product0);
            key0 += Weyl0;
            key1 += Weyl1;
        }

        return (x0, x1, x2, x3);
    }
}
