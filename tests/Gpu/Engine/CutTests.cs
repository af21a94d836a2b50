using System.Runtime.InteropServices;
using Loire.Cuda;
using Loire.Engine.Backends;
using Loire.Engine.Backends.Cuda;
using Loire.Engine.Models;
using Loire.Engine.Placement;
using Loire.Engine.Replica;
using Loire.Engine.State;
using Loire.Engine.Tests.Weights;
using Loire.Kernels;

namespace Loire.Gpu.Tests.Engine;

/// <summary>A model that is cut over GPUs computes what it computes whole. Where there is one GPU, it has all the parts.</summary>
public sealed class CutTests
{
    /// <summary>fp32 sums in another order, and other exponentials, through 8 layers.</summary>
    private const double FloatTolerance = 1e-3;

    public static TheoryData<string> Cuts => ["0,1", "0+1", "0+1,2+3", "0,1+2,3"];

    [GpuTheory]
    [MemberData(nameof(Cuts))]
    public void In_fp32_the_logits_of_the_fixtures_are_those_of_the_cpu_however_the_model_is_cut(string cut)
    {
        foreach (var (fixture, pieces) in new[] { ("minimax", Array.Empty<int>()), ("minimax", [64, 1, 1, 1, 63, 2]), ("minimax_text01", []), ("minimax_text01", [1, 1, 65, 3, 1]) })
        {
            AssertAgrees(RepositoryPaths.Fixture(fixture), cut, pieces, tokens: 150);
        }
    }

    [GpuTheory]
    [MemberData(nameof(Cuts))]
    public void In_fp32_the_logits_of_the_demo_model_are_those_of_the_cpu_however_it_is_cut(string cut)
    {
        AssertAgrees(RepositoryPaths.DemoModel, cut, [], tokens: 200);
        AssertAgrees(RepositoryPaths.DemoModel, cut, [1, 1, 1, 90, 7, 1], tokens: 200);
    }

    [GpuTheory]
    [MemberData(nameof(Cuts))]
    public void A_synthetic_model_is_the_same_one_however_it_is_cut(string cut)
    {
        var model = ModelFolder.OpenSynthetic(RepositoryPaths.DemoModel, seed: 5);
        var ids = Numbers.Integers(seed: 3, 70, model.Graph.VocabularySize);
        var options = new CudaOptions { SyntheticSeed = 5, Type = ElementType.Float32 };
        using var whole = OfflineRunner.LoadCuda(model, options, maxTokens: 256);
        using var parts = OfflineRunner.LoadCuda(model, options with { Plan = PlanOf(model, cut) }, maxTokens: 256);

        AssertClose(LogitsOf.Run(whole, ids, []), LogitsOf.Run(parts, ids, []));
    }

    [GpuTheory]
    [MemberData(nameof(Cuts))]
    public void A_captured_step_gives_the_bits_of_one_that_is_not_however_the_model_is_cut(string cut)
    {
        var model = ModelFolder.Open(RepositoryPaths.DemoModel);
        var ids = Numbers.Integers(seed: 3, 40, model.Graph.VocabularySize);
        var pieces = Enumerable.Repeat(1, 40).ToArray();
        var options = new CudaOptions { Plan = PlanOf(model, cut) };
        using var captured = OfflineRunner.LoadCuda(model, options, maxTokens: 256);
        using var plain = OfflineRunner.LoadCuda(model, options with { UseGraphs = false }, maxTokens: 256);

        Assert.Equal(LogitsOf.Run(plain, ids, pieces), LogitsOf.Run(captured, ids, pieces));
    }

    [GpuTheory]
    [MemberData(nameof(Cuts))]
    public void A_state_is_the_same_bytes_however_the_model_is_cut(string cut)
    {
        var sizes = new BackendSizes(Slots: 4, Pages: 8, MaxRows: 64, MaxLogitsRows: 4, Threads: 0);
        var model = ModelFolder.Open(RepositoryPaths.DemoModel);
        using var backend = CudaBackend.Load(model, sizes, new CudaOptions { Type = ElementType.Float32, Plan = PlanOf(model, cut) });
        var blobs = backend.State.Recurrent.Select((layer, i) => Blob(seed: i, layer.Bytes)).ToArray();
        var pages = backend.State.KeyValue.Select((layer, i) => Blob(seed: 100 + i, layer.BytesPerToken * 37)).ToArray();
        for (var i = 0; i < blobs.Length; i++)
        {
            backend.WriteRecurrent(backend.State.Recurrent[i].Layer, slot: 2, blobs[i]);
        }

        for (var i = 0; i < pages.Length; i++)
        {
            backend.WriteKeyValues(backend.State.KeyValue[i].Layer, page: 3, tokens: 37, pages[i]);
        }

        using var copy = backend.CopyRecurrent(2);
        for (var i = 0; i < blobs.Length; i++)
        {
            var found = new byte[blobs[i].Length];
            backend.ReadRecurrent(backend.State.Recurrent[i].Layer, slot: 2, found);
            Assert.Equal(blobs[i], found);
            Array.Clear(found);
            copy.Read(backend.State.Recurrent[i].Layer, found);
            Assert.Equal(blobs[i], found);
        }

        for (var i = 0; i < pages.Length; i++)
        {
            var found = new byte[pages[i].Length];
            backend.ReadKeyValues(backend.State.KeyValue[i].Layer, page: 3, tokens: 37, found);
            Assert.Equal(pages[i], found);
        }
    }

    [GpuFact]
    public void A_long_prompt_that_stages_work_on_in_pieces_gives_the_logits_of_one_gpu()
    {
        const int Tokens = 2 * BatchPieces.LeastRows + 100; // cut in two
        var model = ModelFolder.Open(RepositoryPaths.DemoModel);
        var ids = Numbers.Integers(seed: 4, Tokens, model.Graph.VocabularySize);
        var options = new CudaOptions { Type = ElementType.Float32 };

        AssertClose(LastLogits(model, options, ids), LastLogits(model, options with { Plan = PlanOf(model, "0,1") }, ids));
    }

    /// <summary>A cut of the model over the GPUs that there are: where they are too few, some have several parts.</summary>
    internal static GpuPlan PlanOf(ModelFolder model, string cut)
    {
        var gpus = CudaDriver.Probe().Gpus.Length;
        Assert.True(GpuGroups.TryParse(cut, out var groups, out var error), error);
        return new GpuPlan([.. GpuPlan.Of(model.Graph, groups).Stages.Select(stage => stage with { Devices = [.. stage.Devices.Select(device => device % gpus)] })]);
    }

    private static float[] LastLogits(ModelFolder model, CudaOptions options, int[] ids)
    {
        var sizes = new BackendSizes(Slots: 2, PagePool.PagesFor(ids.Length), MaxRows: ids.Length, MaxLogitsRows: 2, Threads: 0);
        using var backend = CudaBackend.Load(model, sizes, options);
        var batch = new StepBatch(ids.Length, 2, 2);
        backend.ClearState(1);
        batch.Add(slot: 1, [.. Enumerable.Range(0, PagePool.PagesFor(ids.Length))], start: 0, ids, LogitsWanted.Last);
        backend.Run(batch);
        var best = backend.Greedy(0);
        var logits = backend.Logits(0).ToArray();
        Assert.Equal(logits.Max(), logits[best.Token]);
        return logits;
    }

    private static void AssertAgrees(string folder, string cut, int[] pieces, int tokens)
    {
        var model = ModelFolder.Open(folder);
        var ids = Numbers.Integers(seed: 11, tokens, model.Graph.VocabularySize);
        using var cpu = OfflineRunner.Load(model, maxTokens: 512);
        using var gpu = OfflineRunner.LoadCuda(model, new CudaOptions { Type = ElementType.Float32, Plan = PlanOf(model, cut) }, maxTokens: 512);

        AssertClose(LogitsOf.Run(cpu, ids, []), LogitsOf.Run(gpu, ids, pieces));
    }

    private static void AssertClose(float[] expected, float[] found)
    {
        var error = LogitsOf.RelativeError(expected, found);
        Assert.True(error <= FloatTolerance, $"The relative error of the logits is {error:0.0e+00}; {FloatTolerance:0.0e+00} is allowed.");
    }

    private static byte[] Blob(int seed, int bytes) => MemoryMarshal.AsBytes(Numbers.Normal(seed, bytes / sizeof(float)).AsSpan()).ToArray();
}
