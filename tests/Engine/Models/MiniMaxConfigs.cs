using System.Text.Json.Nodes;
using Loire.Engine.Models;
using Loire.Engine.Tests.Weights;

namespace Loire.Engine.Tests.Models;

/// <summary>Small right configs of both dialects, to be changed field by field.</summary>
internal static class MiniMaxConfigs
{
    public static JsonObject Transformers() => JsonNode.Parse("""
        {
          "model_type": "minimax", "vocab_size": 320, "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4,
          "num_key_value_heads": 2, "head_dim": 32, "intermediate_size": 48, "num_local_experts": 8, "num_experts_per_tok": 2,
          "layer_types": ["linear_attention", "full_attention"], "max_position_embeddings": 4096, "rms_norm_eps": 1e-5,
          "rope_parameters": {"rope_theta": 10000.0, "rope_type": "default"}, "eos_token_id": 2, "bos_token_id": 1
        }
        """)!.AsObject();

    public static JsonObject Vendor() => JsonNode.Parse("""
        {
          "model_type": "MiniMaxText01", "vocab_size": 320, "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4,
          "num_key_value_heads": 2, "head_dim": 32, "intermediate_size": 48, "num_local_experts": 8, "num_experts_per_tok": 2,
          "attn_type_list": [0, 1], "max_position_embeddings": 4096, "rope_theta": 10000, "rotary_dim": 16
        }
        """)!.AsObject();

    public static ModelGraph Load(JsonObject config) => Load(config.ToJsonString());

    public static ModelGraph Load(string config)
    {
        using var folder = new TemporaryFolder();
        folder.Write("config.json", config);
        return ModelConfig.Load(folder.Path);
    }

    public static ModelGraph Load(JsonObject config, string field, string? json)
    {
        Set(config, field, json);
        return Load(config);
    }

    /// <summary>Null removes the field; a point goes one object down.</summary>
    public static void Set(JsonObject config, string field, string? json)
    {
        if (field.Split('.') is [var outer, var inner])
        {
            Set(config[outer]!.AsObject(), inner, json);
        }
        else if (json is null)
        {
            config.Remove(field);
        }
        else
        {
            config[field] = JsonNode.Parse(json);
        }
    }
}
