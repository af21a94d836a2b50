using Loire.Engine.Models;
using Loire.Engine.Replica;
using Loire.Kernels;

namespace Loire.Gpu.Tests.Engine;

/// <summary>Checks that a GPU's logits of all positions are the CPU's.</summary>
internal static class LogitsAgreement
{
    public static void Check(string folder, ElementType type, int[] ids, int[] pieces, double tolerance, double others = 0) =>
        Check(folder, folder, new CudaOptions { Type = type }, ids, pieces, tolerance, others);

    /// <param name="reference">Folder of the model on the CPU.</param>
    /// <param name="folder">Of the model on the GPU.</param>
    /// <param name="options">Of the GPU.</param>
    /// <param name="ids">Fed to both.</param>
    /// <param name="pieces">To the GPU.</param>
    /// <param name="tolerance">In the Frobenius norm.</param>
    /// <param name="others">Share of positions, the worst, that are left out.</param>
    public static void Check(string reference, string folder, CudaOptions options, int[] ids, int[] pieces, double tolerance, double others = 0)
    {
        var model = ModelFolder.Open(folder);
        using var cpu = OfflineRunner.Load(ModelFolder.Open(reference), maxTokens: 1024);
        using var gpu = OfflineRunner.LoadCuda(model, options, maxTokens: 1024);
        var expected = LogitsOf.Run(cpu, ids, []);
        var found = LogitsOf.Run(gpu, ids, pieces);

        var error = ErrorWithout(expected, found, model.Graph.VocabularySize, (int)(others * ids.Length));

        Assert.True(error <= tolerance, $"The relative error of the logits is {error:0.0e+00}; {tolerance:0.0e+00} is allowed. By position, the worst: {Worst(expected, found, model.Graph.VocabularySize)}");
    }

    /// <summary>Of all positions but the worst, as a whole.</summary>
    private static double ErrorWithout(float[] expected, float[] found, int vocabulary, int worst)
    {
        var kept = ErrorsByPosition(expected, found, vocabulary).Select((error, position) => (error, position)).OrderBy(pair => pair.error).SkipLast(worst).Select(pair => pair.position).ToArray();
        float[] Rows(float[] all) => [.. kept.SelectMany(position => all[(position * vocabulary)..((position + 1) * vocabulary)])];
        return LogitsOf.RelativeError(Rows(expected), Rows(found));
    }

    private static IEnumerable<double> ErrorsByPosition(float[] expected, float[] found, int vocabulary) => Enumerable.Range(0, expected.Length / vocabulary)
        .Select(position => LogitsOf.RelativeError(expected.AsSpan(position * vocabulary, vocabulary), found.AsSpan(position * vocabulary, vocabulary)));

    /// <summary>A few positions far off are experts chosen otherwise; all of them a little off is rounding.</summary>
    private static string Worst(float[] expected, float[] found, int vocabulary) => string.Join(", ", ErrorsByPosition(expected, found, vocabulary)
        .Select((error, position) => (position, error))
        .OrderByDescending(pair => pair.error)
        .Take(12)
        .Select(pair => $"{pair.position}: {pair.error:0.0e+00}"));
}
