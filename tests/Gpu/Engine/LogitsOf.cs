using Loire.Engine.Replica;

namespace Loire.Gpu.Tests.Engine;

/// <summary>Logits of all positions, and how far two of them are apart.</summary>
internal static class LogitsOf
{
    public static float[] Run(OfflineRunner runner, int[] ids, int[] pieces)
    {
        var all = new float[ids.Length * runner.Graph.VocabularySize];
        runner.Run(ids, pieces, (position, logits) => logits.CopyTo(all.AsSpan(position * runner.Graph.VocabularySize)));
        return all;
    }

    /// <summary>In the Frobenius norm.</summary>
    public static double RelativeError(ReadOnlySpan<float> expected, ReadOnlySpan<float> found)
    {
        double difference = 0, size = 0;
        for (var i = 0; i < expected.Length; i++)
        {
            difference += Math.Pow((double)found[i] - expected[i], 2);
            size += (double)expected[i] * expected[i];
        }

        return Math.Sqrt(difference / size);
    }
}
