using System.Globalization;
using System.Text;
using System.Text.Json.Nodes;
using Loire.Engine.Models;
using Loire.Engine.Tests.Weights;
using Loire.Engine.Weights;

namespace Loire.Engine.Tests.Models;

/// <summary>A config is a graph or a <see cref="ModelFormatException"/> that names file and field.</summary>
public sealed class HostileConfigTests
{
    private static readonly string[] NeverANumber = ["-1", "1e999", "-1e999", "1e30", "\"8\"", "true", "[]", "{}", "\"NaN\"", "[[1]]"];
    private static readonly string[] Counts = ["vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads", "head_dim", "intermediate_size", "num_local_experts", "num_experts_per_tok", "max_position_embeddings", "rotary_dim"];
    private static readonly string[] Factors = ["linear_attn_alpha_factor", "linear_attn_beta_factor", "full_attn_alpha_factor", "full_attn_beta_factor", "mlp_alpha_factor", "mlp_beta_factor", "rms_norm_eps", "rope_parameters.rope_theta"];

    public static TheoryData<string, string> WrongNumbers()
    {
        var data = new TheoryData<string, string>();
        foreach (var json in NeverANumber.Append("0"))
        {
            foreach (var field in Counts.Concat(Factors))
            {
                data.Add(field, json);
            }
        }

        foreach (var field in Counts)
        {
            data.Add(field, "1.5");
            data.Add(field, "2147483648");
            data.Add(field, "1073741825");
        }

        foreach (var json in NeverANumber.Except(["[]"]))
        {
            data.Add("eos_token_id", json);
            data.Add("eos_token_id", $"[{json}]");
        }

        foreach (var json in NeverANumber.Append("320"))
        {
            data.Add("bos_token_id", json);
        }

        return data;
    }

    [Theory]
    [MemberData(nameof(WrongNumbers))]
    public void A_wrong_number_names_file_field_value_and_what_is_allowed(string field, string json)
    {
        var refused = AssertRefused(MiniMaxConfigs.Transformers(), field, json);

        Assert.Contains("config.json: ", refused.Message, StringComparison.Ordinal);
        Assert.Contains(field, refused.Message, StringComparison.Ordinal);
        Assert.Contains("allowed: ", refused.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("vocab_size")]
    [InlineData("hidden_size")]
    [InlineData("num_hidden_layers")]
    [InlineData("num_attention_heads")]
    [InlineData("intermediate_size")]
    [InlineData("num_local_experts")]
    [InlineData("num_experts_per_tok")]
    [InlineData("max_position_embeddings")]
    [InlineData("rope_parameters.rope_theta")]
    public void A_missing_size_is_named(string field)
    {
        Assert.Contains($"{field} is missing", AssertRefused(MiniMaxConfigs.Transformers(), field, null).Message, StringComparison.Ordinal);
        Assert.Contains($"{field} is missing", AssertRefused(MiniMaxConfigs.Transformers(), field, "null").Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("num_key_value_heads", "3", "must divide")]
    [InlineData("num_experts_per_tok", "9", "layer 0 has 8 experts")]
    [InlineData("rotary_dim", "34", "at most head_dim")]
    [InlineData("rotary_dim", "7", "must be even")]
    [InlineData("partial_rotary_factor", "0", "must be even")]
    [InlineData("partial_rotary_factor", "2", "partial_rotary_factor is 2")]
    [InlineData("layer_types", "[\"linear_attention\"]", "a list of 2")]
    [InlineData("layer_types", "[\"linear_attention\", \"other\"]", "layer_types[1] is \"other\"")]
    [InlineData("layer_types", "[\"linear_attention\", 1]", "layer_types[1] is 1")]
    [InlineData("layer_types", "\"full_attention\"", "a list of 2")]
    [InlineData("num_local_experts", "[8]", "a list of 2")]
    [InlineData("num_local_experts", "[8, 0]", "num_local_experts[1] is 0")]
    [InlineData("num_local_experts", "[8, 8, 8]", "a list of 2")]
    [InlineData("shared_intermediate_size", "8", "shared_moe_mode is missing")]
    [InlineData("sliding_window", "128", "sliding_window is 128")]
    [InlineData("quantization_config", "{\"quant_method\":\"fp8\"}", "quantised weights")]
    [InlineData("hidden_act", "\"gelu\"", "hidden_act is \"gelu\"")]
    [InlineData("tie_word_embeddings", "\"yes\"", "tie_word_embeddings is \"yes\"")]
    [InlineData("tie_word_embeddings", "1", "true or false")]
    [InlineData("rope_parameters", "[]", "an object")]
    [InlineData("rope_parameters.rope_type", "\"yarn\"", "rope_parameters.rope_type is \"yarn\"")]
    [InlineData("rope_scaling", "{\"factor\":2}", "rope_scaling")]
    [InlineData("head_dim", "4096", "head_dim is 4096")]
    [InlineData("model_type", "\"llama\"", "supported: MiniMaxText01, minimax")]
    [InlineData("model_type", "7", "model_type is 7")]
    [InlineData("model_type", null, "model_type is missing")]
    public void A_field_that_does_not_fit_says_why(string field, string? json, string reason)
    {
        var config = MiniMaxConfigs.Transformers();
        if (json == "4096")
        {
            MiniMaxConfigs.Set(config, "num_attention_heads", "128"); // each is allowed, the product is not
        }

        Assert.Contains(reason, AssertRefused(config, field, json).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("64")] // 4 GiB: 0 in 32 bits
    [InlineData("32")] // 2 GiB: negative
    public void A_state_beyond_32_bits_is_refused(string heads)
    {
        var config = MiniMaxConfigs.Transformers();
        MiniMaxConfigs.Set(config, "num_attention_heads", heads);

        Assert.Contains("a sequence's state has", AssertRefused(config, "head_dim", "4096").Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("attn_type_list", "[0, 2]", "attn_type_list[1] is 2")]
    [InlineData("attn_type_list", "[0]", "a list of 2")]
    [InlineData("attn_type_list", "null", "attn_type_list is missing")]
    [InlineData("postnorm", "\"true\"", "true or false")]
    [InlineData("layernorm_mlp_beta", "0", "layernorm_mlp_beta is 0")]
    [InlineData("rope_theta", "null", "rope_theta is missing")]
    public void A_vendor_field_that_does_not_fit_says_why(string field, string json, string reason) =>
        Assert.Contains(reason, AssertRefused(MiniMaxConfigs.Vendor(), field, json).Message, StringComparison.Ordinal);

    [Theory]
    [InlineData("NaN")]
    [InlineData("Infinity")]
    [InlineData("-Infinity")]
    public void Numbers_that_only_Python_writes_are_refused_with_their_field(string number)
    {
        var config = MiniMaxConfigs.Transformers().ToJsonString().Replace("\"rms_norm_eps\":1e-5", $"\"rms_norm_eps\":{number}", StringComparison.Ordinal);

        var refused = Assert.Throws<ModelFormatException>(() => MiniMaxConfigs.Load(config));

        Assert.Contains("near field 'rms_norm_eps'", refused.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("")]
    [InlineData("[]")]
    [InlineData("null")]
    [InlineData("{")]
    [InlineData("{\"model_type\":\"minimax\"}}")]
    [InlineData("{\"model_type\":\"minimax\",\"model_type\":\"minimax\"}")]
    [InlineData("{\"model_type\":\"\\ud800\"}")]
    public void What_is_no_config_is_refused(string config) => Assert.Throws<ModelFormatException>(() => MiniMaxConfigs.Load(config));

    [Fact]
    public void A_missing_folder_and_a_missing_config_are_named()
    {
        using var folder = new TemporaryFolder();

        Assert.Contains("no such folder", Assert.Throws<ModelFormatException>(() => ModelConfig.Load(Path.Combine(folder.Path, "x"))).Message, StringComparison.Ordinal);
        Assert.Contains("config.json: no such file", Assert.Throws<ModelFormatException>(() => ModelConfig.Load(folder.Path)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_broken_generation_config_is_refused()
    {
        using var folder = new TemporaryFolder();
        folder.Write("config.json", MiniMaxConfigs.Transformers().ToJsonString());
        folder.Write("generation_config.json", """{"eos_token_id":[2,320]}""");

        var refused = Assert.Throws<ModelFormatException>(() => ModelConfig.Load(folder.Path));

        Assert.Contains("generation_config.json: eos_token_id[1] is 320", refused.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void A_config_with_random_changes_is_a_graph_or_is_refused(int seed)
    {
        var random = new Random(seed);
        string[] values = ["null", "0", "-1", "1", "2", "3", "7", "64", "1e9", "1e999", "2147483647", "-2147483648", "9223372036854775807", "0.5", "\"x\"", "\"\\ud800\"", "true", "[]", "{}", "[0,1]", "[1,null]", "{\"rope_theta\":1}"];
        using var folder = new TemporaryFolder();
        for (var round = 0; round < 800; round++)
        {
            var config = random.Next(2) == 0 ? MiniMaxConfigs.Transformers() : MiniMaxConfigs.Vendor();
            var text = random.Next(2) == 0 ? WithRandomValues(config, random, values) : WithRandomBytes(config.ToJsonString(), random);
            var path = folder.Write("config.json", text);
            try
            {
                var graph = ModelConfig.Load(folder.Path);
                Assert.NotEmpty(graph.RequiredTensors().Take(100));
            }
            catch (ModelFormatException e)
            {
                Assert.StartsWith(path, e.Message, StringComparison.Ordinal);
            }
        }
    }

    private static byte[] WithRandomValues(JsonObject config, Random random, string[] values)
    {
        var fields = config.Select(pair => pair.Key).ToArray();
        var text = config.ToJsonString();
        for (var change = random.Next(1, 4); change > 0; change--)
        {
            // As text: a value such as half a surrogate pair cannot be held by a node.
            var field = fields[random.Next(fields.Length)];
            text = text.Replace($"\"{field}\":", string.Create(CultureInfo.InvariantCulture, $"\"{field}\":{values[random.Next(values.Length)]},\"x{change}\":"), StringComparison.Ordinal);
        }

        return Encoding.UTF8.GetBytes(text);
    }

    private static byte[] WithRandomBytes(string config, Random random)
    {
        var bytes = Encoding.UTF8.GetBytes(config);
        for (var change = random.Next(1, 5); change > 0; change--)
        {
            bytes[random.Next(bytes.Length)] = (byte)(random.Next(4) == 0 ? random.Next(256) : "0123456789-.eE\"[]{},:"[random.Next(21)]);
        }

        return bytes;
    }

    private static ModelFormatException AssertRefused(JsonObject config, string field, string? json)
    {
        // Numbers that overflow a double must reach the reader as they are.
        const string marker = "\"\\u0001\"";
        MiniMaxConfigs.Set(config, field, json is null ? null : marker);
        var text = config.ToJsonString().Replace(marker, json, StringComparison.Ordinal);
        return Assert.Throws<ModelFormatException>(() => MiniMaxConfigs.Load(text));
    }
}
