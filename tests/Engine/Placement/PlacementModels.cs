using System.Text.Json.Nodes;
using Loire.Engine.Models;
using Loire.Engine.Tests.Models;

namespace Loire.Engine.Tests.Placement;

/// <summary>Graphs to plan for; nobody has their weights.</summary>
internal static class PlacementModels
{
    /// <summary>456 billion parameters; every eighth layer is softmax.</summary>
    public static ModelGraph MiniMax01 { get; } = Vendor(layers: 80, hidden: 6144, heads: 64, keyValueHeads: 8, headDim: 128, width: 9216, experts: 32, vocabulary: 200_064, softmaxEvery: 8);

    /// <summary>Two megabytes or so.</summary>
    public static ModelGraph Small(int layers = 8, int heads = 4, int keyValueHeads = 2, int experts = 8, int vocabulary = 320, int hidden = 64) =>
        Vendor(layers, hidden, heads, keyValueHeads, headDim: 32, width: 48, experts, vocabulary, softmaxEvery: 4);

    public static ModelGraph WithSharedExperts(int width)
    {
        var config = MiniMaxConfigs.Vendor();
        config["shared_intermediate_size"] = width;
        config["shared_moe_mode"] = "sigmoid";
        return MiniMaxConfigs.Load(config);
    }

    private static ModelGraph Vendor(int layers, int hidden, int heads, int keyValueHeads, int headDim, int width, int experts, int vocabulary, int softmaxEvery)
    {
        var config = MiniMaxConfigs.Vendor();
        foreach (var (field, value) in new (string, int)[]
            {
                ("num_hidden_layers", layers), ("hidden_size", hidden), ("num_attention_heads", heads), ("num_key_value_heads", keyValueHeads), ("head_dim", headDim),
                ("intermediate_size", width), ("num_local_experts", experts), ("vocab_size", vocabulary), ("rotary_dim", headDim / 2),
            })
        {
            config[field] = value;
        }

        config["attn_type_list"] = new JsonArray([.. Enumerable.Range(0, layers).Select(layer => (JsonNode)(layer % softmaxEvery == softmaxEvery - 1 ? 1 : 0))]);
        return MiniMaxConfigs.Load(config);
    }
}
