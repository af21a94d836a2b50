using Loire.Engine.Models;
using Loire.Engine.Replica;
using Loire.Engine.Tests.Weights;
using Loire.Kernels;

namespace Loire.Gpu.Tests.Engine;

/// <summary>Experts in 8 bits: the GPU computes what the CPU computes with the numbers that they stand for, and that is near the model itself.</summary>
public sealed class Float8Tests
{
    /// <summary>
    /// A weight is off by 1/40 in the mean, and a feed-forward has three in a row: 4 % of its output. On the CPU the demo model's logits are off by 0.03 at the median position, and
    /// by 0.07 of all positions of a text together, most of it where rounding chooses another expert.
    /// </summary>
    private const double Float8Tolerance = 0.15;

    private static readonly CudaOptions s_options = new() { ExpertType = WeightType.Float8 };

    [GpuTheory]
    [InlineData(true, new int[0])]
    [InlineData(true, new[] { 1, 1, 1, 90, 7, 1 })]
    [InlineData(false, new int[0])]
    [InlineData(false, new[] { 1, 1, 1, 90, 7, 1 })]
    public void The_logits_are_those_of_the_cpu_with_the_same_numbers(bool isText, int[] pieces)
    {
        using var quantised = new QuantisedModel(RepositoryPaths.DemoModel);

        LogitsAgreement.Check(
            quantised.Folder, RepositoryPaths.DemoModel, s_options, isText ? Prompts.Conversation(200) : Prompts.RandomTokens(RepositoryPaths.DemoModel, 200), pieces,
            FixtureTests.HalfTolerance, FixtureTests.ShareOfOtherExperts);
    }

    [GpuFact]
    public void A_prompt_that_is_long_enough_for_large_tiles_gives_the_same_logits()
    {
        using var quantised = new QuantisedModel(RepositoryPaths.DemoModel);
        var ids = Prompts.RandomTokens(RepositoryPaths.DemoModel, 8 * ExpertsChoice.Float8PrefillEntries / 2); // 8 experts, two a token

        LogitsAgreement.Check(quantised.Folder, RepositoryPaths.DemoModel, s_options, ids, [], FixtureTests.HalfTolerance, FixtureTests.ShareOfOtherExperts);
    }

    [GpuTheory]
    [InlineData(true)]
    [InlineData(false)]
    public void The_logits_are_near_those_of_the_model(bool isText) => LogitsAgreement.Check(
        RepositoryPaths.DemoModel, RepositoryPaths.DemoModel, s_options, isText ? Prompts.Conversation(200) : Prompts.RandomTokens(RepositoryPaths.DemoModel, 200), [], Float8Tolerance);

    [GpuFact]
    public void Synthetic_weights_give_finite_logits_that_are_the_same_each_time()
    {
        var model = ModelFolder.OpenSynthetic(RepositoryPaths.DemoModel, seed: 5);
        var ids = Numbers.Integers(seed: 3, 70, model.Graph.VocabularySize);
        using var first = OfflineRunner.LoadCuda(model, s_options with { SyntheticSeed = 5 }, maxTokens: 256);
        using var second = OfflineRunner.LoadCuda(model, s_options with { SyntheticSeed = 5 }, maxTokens: 256);

        var logits = LogitsOf.Run(first, ids, []);

        Assert.All(logits, logit => Assert.True(float.IsFinite(logit)));
        Assert.Equal(logits, LogitsOf.Run(second, ids, []));
    }

    [GpuFact]
    public void Beside_fp32_it_is_refused()
    {
        var model = ModelFolder.Open(RepositoryPaths.DemoModel);

        Assert.Contains("they take bf16", Assert.Throws<NotSupportedException>(() => OfflineRunner.LoadCuda(model, s_options with { Type = ElementType.Float32 })).Message);
    }
}
