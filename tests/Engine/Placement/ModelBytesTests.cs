using Loire.Engine.Backends.Cuda.Weights;
using Loire.Engine.Models;
using Loire.Engine.Placement;
using Loire.Engine.Tests.Models;
using Loire.Engine.Tests.Weights;
using Loire.Kernels;

namespace Loire.Engine.Tests.Placement;

/// <summary>What is counted is what devices take.</summary>
public sealed class ModelBytesTests
{
    public static TheoryData<string, ElementType, WeightType> Models => new()
    {
        { "minimax", ElementType.BFloat16, WeightType.Element },
        { "minimax_text01", ElementType.Float32, WeightType.Element },
        { "demo", ElementType.BFloat16, WeightType.Element },
        { "demo", ElementType.Float32, WeightType.Element },
        { "tied", ElementType.BFloat16, WeightType.Element },
        { "shared", ElementType.BFloat16, WeightType.Element },
        { "demo", ElementType.BFloat16, WeightType.Float8 },
        { "minimax", ElementType.BFloat16, WeightType.Float8 },
        { "shared", ElementType.BFloat16, WeightType.Float8 },
    };

    [Theory]
    [MemberData(nameof(Models))]
    public void Each_of_two_GPUs_has_what_the_layout_of_its_share_has(string name, ElementType type, WeightType experts)
    {
        var graph = GraphOf(name);
        var bytes = new ModelBytes(graph, type, experts);
        foreach (var (layer, index) in graph.Layers.SelectMany(layer => new[] { (layer, 0), (layer, 1) }))
        {
            var layout = new WeightLayout(type, experts);
            _ = new CudaLayer(layer, graph.HiddenSize, new GpuShare(index, 2), layout);
            Assert.Equal(layout.Bytes, bytes.Weights(layer, new GpuShare(index, 2)));
        }
    }

    [Theory]
    [MemberData(nameof(Models))]
    public void One_GPU_has_what_the_layout_of_the_weights_has(string name, ElementType type, WeightType experts)
    {
        var graph = GraphOf(name);
        var bytes = new ModelBytes(graph, type, experts);
        var layout = new WeightLayout(type, experts);

        layout.Matrix(graph.HiddenSize, (graph.EmbeddingTensor, graph.VocabularySize));
        Assert.Equal(layout.Bytes, bytes.Embedding);
        foreach (var layer in graph.Layers)
        {
            var before = layout.Bytes;
            _ = new CudaLayer(layer, graph.HiddenSize, GpuShare.Whole, layout);
            Assert.Equal(layout.Bytes - before, bytes.Weights(layer, GpuShare.Whole));
        }

        layout.Vector((graph.FinalNormTensor, graph.HiddenSize), isFloat: true);
        if (!graph.TiedEmbeddings)
        {
            layout.Matrix(graph.HiddenSize, (graph.OutputTensor, graph.VocabularySize));
        }

        Assert.Equal(layout.Bytes, bytes.Weights(new GpuStagePlan(0, graph.Layers.Length, [0]), GpuShare.Whole));
        Assert.Equal(layout.Bytes, new StageBytes(graph, new GpuSizes(type, 4, 4, 16, 4, experts), GpuShare.Whole, mostStages: 1).Of(0, graph.Layers.Length).Weights);
    }

    [Theory]
    [InlineData(2)]
    [InlineData(4)]
    [InlineData(8)]
    public void A_group_has_each_head_and_expert_once_and_the_rest_on_each_GPU(int count)
    {
        var graph = PlacementModels.MiniMax01;
        var bytes = new ModelBytes(graph, ElementType.BFloat16);
        foreach (var layer in graph.Layers)
        {
            var shares = Enumerable.Range(0, count).Select(i => new GpuShare(i, count)).ToArray();
            var whole = (2L * sizeof(float) * graph.HiddenSize) + (2L * 32 * graph.HiddenSize); // norms and router
            Assert.Equal(bytes.Weights(layer, GpuShare.Whole) + ((count - 1) * whole), shares.Sum(share => bytes.Weights(layer, share)));
            Assert.Equal(bytes.ExpertWeights(layer, GpuShare.Whole), shares.Sum(share => bytes.ExpertWeights(layer, share)));
            Assert.Equal(ModelBytes.Slot(layer, GpuShare.Whole), shares.Sum(share => ModelBytes.Slot(layer, share)));
            Assert.Equal(bytes.Page(layer, GpuShare.Whole), shares.Sum(share => bytes.Page(layer, share)));
        }

        Assert.Equal(2L * 200_064 * 6144 / count, bytes.Output(new GpuShare(0, count), hasEmbedding: false) - (sizeof(float) * 6144));
    }

    [Fact]
    public void States_and_pages_are_those_of_the_model()
    {
        var graph = PlacementModels.MiniMax01;
        var bytes = new ModelBytes(graph, ElementType.BFloat16);

        Assert.Equal(70L * 64 * 128 * 128 * sizeof(float), graph.Layers.Sum(layer => ModelBytes.Slot(layer, GpuShare.Whole)));
        Assert.Equal(10L * 2 * 8 * 64 * 128 * 2, graph.Layers.Sum(layer => bytes.Page(layer, GpuShare.Whole)));
        Assert.InRange(bytes.Weights(new GpuStagePlan(0, 80, [0]), GpuShare.Whole), 905_000_000_000, 920_000_000_000); // 456 billion in two bytes each
    }

    [Fact]
    public void Experts_in_8_bits_are_half_as_large_and_room_is_kept_for_four_as_brain_floats()
    {
        var graph = PlacementModels.MiniMax01;
        var (halves, bytes) = (new ModelBytes(graph, ElementType.BFloat16), new ModelBytes(graph, ElementType.BFloat16, WeightType.Float8));
        var matrix = 32L * 6144 * 9216;

        Assert.Equal(3 * matrix, halves.ExpertWeights(graph.Layers[0], GpuShare.Whole) - bytes.ExpertWeights(graph.Layers[0], GpuShare.Whole) + (3 * matrix / (128 * 128) * sizeof(float)));
        Assert.Equal(4L * 6 * 6144 * 9216, bytes.Activations(GpuShare.Whole, 64) - halves.Activations(GpuShare.Whole, 64));
    }

    [Fact]
    public void Experts_that_do_not_divide_differ_by_one()
    {
        var layer = PlacementModels.Small(experts: 7).Layers[0];
        var bytes = new ModelBytes(PlacementModels.Small(experts: 7), ElementType.BFloat16);

        Assert.Equal([3L * 3 * 48 * 64 * 2, 4L * 3 * 48 * 64 * 2], Enumerable.Range(0, 2).Select(i => bytes.ExpertWeights(layer, new GpuShare(i, 2))));
    }

    private static ModelGraph GraphOf(string name) => name switch
    {
        "demo" => ModelConfig.Load(RepositoryPaths.DemoModel),
        "tied" => MiniMaxConfigs.Load(MiniMaxConfigs.Transformers(), "tie_word_embeddings", "true"),
        "shared" => PlacementModels.WithSharedExperts(80),
        _ => ModelConfig.Load(RepositoryPaths.Fixture(name)),
    };
}
