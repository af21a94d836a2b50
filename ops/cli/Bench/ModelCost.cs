using Loire.Engine.Models;
using Loire.Engine.Weights;

namespace Loire.Cli.Bench;

/// <summary>What one token costs a model at least: the weights that it must read, and the operations on them.</summary>
/// <remarks>From the tensors of the folder: of the experts, as many as a token is routed to; of the embedding, one row, which is nothing.</remarks>
internal sealed record ModelCost
{
    /// <summary>Weights that every token uses.</summary>
    public required long DenseParameters { get; init; }

    /// <summary>Weights of all experts.</summary>
    public required long ExpertParameters { get; init; }

    /// <summary>Share of the experts that one token uses.</summary>
    public required double ActiveShare { get; init; }

    /// <summary>As the file stores them.</summary>
    public required double BytesPerParameter { get; init; }

    public double FlopsPerToken => 2 * (DenseParameters + (ExpertParameters * ActiveShare));

    /// <summary>Bytes of weights that a step of so many tokens reads at least, when routing is even.</summary>
    public double BytesPerStep(int tokens) =>
        BytesPerParameter * (DenseParameters + (ExpertParameters * (1 - Math.Pow(1 - ActiveShare, tokens))));

    /// <summary>Most tokens a second in steps of so many: what memory and arithmetic allow, whichever is less.</summary>
    public double TokensPerSecond(Machine machine, int tokensPerStep) => Math.Min(
        machine.ReadBytesPerSecond / BytesPerStep(tokensPerStep) * tokensPerStep,
        machine.FlopsPerSecond / FlopsPerToken);

    public static ModelCost Of(ModelFolder model)
    {
        using var weights = model.OpenWeights();
        var experts = model.Graph.Layers.Select(layer => layer.FeedForward).OfType<MoeSpec>().ToArray();
        var expertParameters = experts.Sum(moe => (long)moe.Experts * 3 * moe.Width * model.Graph.HiddenSize);
        var output = weights.Get(model.Graph.OutputTensor);
        return new ModelCost
        {
            DenseParameters = output.Count + model.Graph.Layers.Sum(layer => DenseOf(layer, weights)),
            ExpertParameters = expertParameters,
            ActiveShare = experts.Length == 0 ? 0 : (double)experts[0].TopK / experts[0].Experts,
            BytesPerParameter = output.Type.Size(),
        };
    }

    private static long DenseOf(LayerSpec layer, IWeightSource weights)
    {
        string[] mixer = layer.Mixer switch
        {
            LightningSpec lightning => [lightning.QkvProjection, lightning.OutputGate, lightning.OutputProjection],
            SoftmaxSpec softmax => [softmax.Query, softmax.Key, softmax.Value, softmax.Output],
            _ => [],
        };
        string[] feedForward = layer.FeedForward switch
        {
            DenseSpec dense => [dense.Tensors.Gate, dense.Tensors.Up, dense.Tensors.Down],
            MoeSpec moe => [moe.Router, .. moe.Shared is { } shared ? [shared.Tensors.Gate, shared.Tensors.Up, shared.Tensors.Down] : Array.Empty<string>()],
            _ => [],
        };
        return mixer.Concat(feedForward).Sum(name => weights.Get(name).Count);
    }
}
