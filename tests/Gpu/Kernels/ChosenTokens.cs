using System.Runtime.InteropServices;
using Loire.Engine.Sampling;
using Loire.Engine.Tests.Sampling;
using Loire.Kernels;

namespace Loire.Gpu.Tests.Kernels;

/// <summary>What the tests of kernels that choose tokens have in common.</summary>
internal static class ChosenTokens
{
    public const int NotDecided = -1;

    /// <summary>A position for each row and round.</summary>
    public static long PositionOf(int round, int row) => (1000L * round) + row;

    public static DeviceBuffer<int> Upload(Gpu gpu, RowChoice[] choices) => gpu.Upload(MemoryMarshal.Cast<RowChoice, int>(choices.AsSpan()).ToArray());

    /// <summary>A token that is given is the one that the host's sampler gives for the whole row.</summary>
    public static void AssertIsOf(Sampler sampler, float[] row, long position, int chosen)
    {
        if (chosen != NotDecided)
        {
            var expected = sampler.Sample(row, position).Token;
            Assert.True(expected == chosen, $"Token {chosen} instead of {expected} of {row.Length} at {position} with {sampler.Settings}.");
        }
    }

    /// <summary>Rows with NaN or +∞ among the logits, or nothing above −∞: no token can be chosen from them.</summary>
    public static float[][] DamagedRows(int vocabulary)
    {
        float[] damages = [float.NaN, float.PositiveInfinity, float.NaN, float.PositiveInfinity];
        return
        [
            .. damages.Select((damage, i) =>
            {
                var row = PeakedRows.Row(new Random(i), vocabulary, 2);
                row[i < 2 ? 0 : vocabulary - 2] = damage;
                return row;
            }),
            [.. Enumerable.Repeat(float.NegativeInfinity, vocabulary)],
            [.. Enumerable.Repeat(float.NaN, vocabulary)],
            [float.NaN, .. Enumerable.Repeat(float.NegativeInfinity, vocabulary - 1)],
        ];
    }

    /// <summary>Makes some tokens of a row impossible, never the first.</summary>
    public static float[] Masked(Random random, float[] row, int oneRowIn)
    {
        for (var masked = random.Next(oneRowIn) == 0 ? random.Next(row.Length) : 0; masked > 0; masked--)
        {
            row[random.Next(1, row.Length)] = float.NegativeInfinity;
        }

        return row;
    }
}
