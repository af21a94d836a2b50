using System.Collections.Immutable;

namespace Loire.Engine.Models;

/// <summary>MiniMax-Text-01, MiniMax-M1 and their kin: lightning and softmax attention, mixture of experts, residuals after the norm.</summary>
/// <remarks>
/// Two dialects of the same model. The vendor's (<c>MiniMaxText01</c>, <c>minimax_m1</c>) and transformers' (<c>minimax</c>) differ in the names
/// of fields and in four meanings, all in <see cref="Dialect"/>; the tensors' names on disk are the same.
/// The rotary width is read in both: transformers' class ignores it, but the published weights need it.
/// </remarks>
internal static class MiniMax
{
    /// <summary>The lightning norm keeps its class's default, whatever <c>rms_norm_eps</c> says.</summary>
    private const float LightningNormEpsilon = 1e-6f;

    private const int Lightning = 0;
    private const int Softmax = 1;

    /// <param name="IsVendor">
    /// Fields as in the vendor's config; slopes interpolated for head counts that are no power of two; the layer factor's denominator
    /// without its epsilon; post-norm only if asked for; a plain feed-forward where a layer has one expert.
    /// </param>
    private readonly record struct Dialect(bool IsVendor)
    {
        public string Alpha(string part) => IsVendor ? $"layernorm_{VendorPart(part)}_alpha" : $"{part}_alpha_factor";

        public string Beta(string part) => IsVendor ? $"layernorm_{VendorPart(part)}_beta" : $"{part}_beta_factor";

        private static string VendorPart(string part) => part.Replace("attn", "attention", StringComparison.Ordinal);
    }

    private readonly record struct Sizes(int Hidden, int Layers, int Heads, int KeyValueHeads, int HeadDim);

    public static ModelGraph Read(ConfigReader config, string modelType)
    {
        var dialect = new Dialect(modelType != "minimax");
        RefuseUnsupported(config);
        var sizes = ReadSizes(config);
        var vocabulary = config.Integer("vocab_size", 1, ModelLimits.Vocabulary);
        var epsilon = (float)config.Real("rms_norm_eps", 1e-12, 1, fallback: 1e-5);
        var tied = config.Flag("tie_word_embeddings", fallback: false);
        return new ModelGraph
        {
            ModelType = modelType,
            VocabularySize = vocabulary,
            HiddenSize = sizes.Hidden,
            ContextLength = config.Integer("max_position_embeddings", 1, ModelLimits.Context),
            Layers = ReadLayers(config, dialect, sizes, epsilon),
            NormEpsilon = epsilon,
            TiedEmbeddings = tied,
            EndTokens = config.Tokens("eos_token_id", vocabulary),
            BosToken = config.Has("bos_token_id") ? config.Integer("bos_token_id", 0, vocabulary - 1) : null,
            EmbeddingTensor = "model.embed_tokens.weight",
            FinalNormTensor = "model.norm.weight",
            OutputTensor = tied ? "model.embed_tokens.weight" : "lm_head.weight",
        };
    }

    private static void RefuseUnsupported(ConfigReader config)
    {
        config.MustBeAbsent("sliding_window", "this family's attention sees its whole context here");
        config.MustBeAbsent("quantization_config", "quantised weights are not supported; use F32, F16 or BF16");
        config.Text("hidden_act", ["silu", "swish"], fallback: "silu");
    }

    private static Sizes ReadSizes(ConfigReader config)
    {
        var hidden = config.Integer("hidden_size", 1, ModelLimits.Width);
        var layers = config.Integer("num_hidden_layers", 1, ModelLimits.Layers);
        var heads = config.Integer("num_attention_heads", 1, ModelLimits.Heads);
        var keyValueHeads = config.Integer("num_key_value_heads", 1, ModelLimits.Heads, fallback: heads);
        var headDim = config.Integer("head_dim", 1, ModelLimits.HeadDim, fallback: Math.Max(1, hidden / heads));
        if (heads % keyValueHeads != 0)
        {
            throw config.Inconsistent("num_key_value_heads", $"is {keyValueHeads}; it must divide num_attention_heads, {heads}.");
        }

        if (heads * headDim > ModelLimits.HeadsTimesDim)
        {
            throw config.Inconsistent("head_dim", $"is {headDim}; times num_attention_heads, {heads}, at most {ModelLimits.HeadsTimesDim} is allowed.");
        }

        return new Sizes(hidden, layers, heads, keyValueHeads, headDim);
    }

    private static ImmutableArray<LayerSpec> ReadLayers(ConfigReader config, Dialect dialect, Sizes sizes, float epsilon)
    {
        var mixers = ReadMixerKinds(config, dialect, sizes.Layers);
        CheckState(config, sizes, mixers.Count(mixer => mixer == Lightning));
        var feedForwards = ReadFeedForwards(config, dialect, sizes);
        var postNorm = !dialect.IsVendor || config.Flag("postnorm", fallback: false);
        var lightningResidual = ReadResidual(config, dialect, "linear_attn", postNorm);
        var softmaxResidual = ReadResidual(config, dialect, "full_attn", postNorm);
        var feedForwardResidual = ReadResidual(config, dialect, "mlp", postNorm);
        var theta = ReadTheta(config);
        var rotaryDim = ReadRotaryDim(config, sizes.HeadDim);

        var layers = ImmutableArray.CreateBuilder<LayerSpec>(sizes.Layers);
        for (var i = 0; i < sizes.Layers; i++)
        {
            var isLightning = mixers[i] == Lightning;
            layers.Add(new LayerSpec
            {
                Index = i,
                Mixer = isLightning ? LightningMixer(dialect, sizes, i) : SoftmaxMixer(sizes, i, rotaryDim, theta),
                FeedForward = feedForwards[i],
                MixerNorm = new NormSpec($"model.layers.{i}.input_layernorm.weight", epsilon),
                FeedForwardNorm = new NormSpec($"model.layers.{i}.post_attention_layernorm.weight", epsilon),
                MixerResidual = isLightning ? lightningResidual : softmaxResidual,
                FeedForwardResidual = feedForwardResidual,
            });
        }

        return layers.MoveToImmutable();
    }

    private static void CheckState(ConfigReader config, Sizes sizes, int lightningLayers)
    {
        var bytes = (long)lightningLayers * sizes.Heads * sizes.HeadDim * sizes.HeadDim * sizeof(float);
        if (bytes > ModelLimits.RecurrentBytes)
        {
            throw config.Inconsistent(
                "head_dim",
                $"is {sizes.HeadDim}; with {sizes.Heads} heads in {lightningLayers} lightning layers a sequence's state has {bytes} bytes, and at most {ModelLimits.RecurrentBytes} are allowed.");
        }
    }

    /// <summary>Which mixer each layer has. Either dialect's list is taken; the dialect's own comes first.</summary>
    private static ImmutableArray<int> ReadMixerKinds(ConfigReader config, Dialect dialect, int layers)
    {
        var field = dialect.IsVendor
            ? config.FirstOf("attn_type_list", "decoder_attention_types", "layer_types")
            : config.FirstOf("layer_types", "attn_type_list", "decoder_attention_types");
        if (field != "layer_types")
        {
            return config.List(field, layers, (name, item) => config.Integer(name, item, Lightning, Softmax));
        }

        // transformers' own default: even layers attend to everything.
        return config.Has(field)
            ? config.List(field, layers, (name, item) => config.Text(name, item, ["linear_attention", "full_attention"]) == "linear_attention" ? Lightning : Softmax)
            : [.. Enumerable.Range(0, layers).Select(i => i % 2 == 0 ? Softmax : Lightning)];
    }

    private static ResidualSpec ReadResidual(ConfigReader config, Dialect dialect, string part, bool postNorm)
    {
        const double least = 1e-6;
        const double most = 1e6;
        return new ResidualSpec(
            postNorm,
            (float)config.Real(dialect.Alpha(part), least, most, fallback: 1),
            (float)config.Real(dialect.Beta(part), least, most, fallback: 1));
    }

    private static double ReadTheta(ConfigReader config)
    {
        const double least = 1;
        const double most = 1e12;
        config.MustBeAbsent("rope_scaling", "scaled rotary positions are not supported");
        if (config.Object("rope_parameters") is not { } parameters)
        {
            return config.Real("rope_theta", least, most);
        }

        parameters.Text("rope_type", ["default"], fallback: "default");
        return parameters.Real("rope_theta", least, most);
    }

    private static int ReadRotaryDim(ConfigReader config, int headDim)
    {
        var rotaryDim = config.Integer("rotary_dim", 2, ModelLimits.HeadDim, fallback: PartialRotaryDim(config, headDim));
        if (rotaryDim < 2 || rotaryDim > headDim || rotaryDim % 2 != 0)
        {
            throw config.Inconsistent("rotary_dim", $"is {rotaryDim}; it must be even, from 2 to at most head_dim, {headDim}.");
        }

        return rotaryDim;
    }

    private static int PartialRotaryDim(ConfigReader config, int headDim)
    {
        var holder = config.Object("rope_parameters") is { } parameters && parameters.Has("partial_rotary_factor") ? parameters : config;
        return (int)(headDim * holder.Real("partial_rotary_factor", 0, 1, fallback: 1));
    }

    private static LightningSpec LightningMixer(Dialect dialect, Sizes sizes, int layer) => new()
    {
        Heads = sizes.Heads,
        HeadDim = sizes.HeadDim,
        Slopes = LightningSlopes.OfLayer(sizes.Heads, layer, sizes.Layers, dialect.IsVendor),
        QkvProjection = $"model.layers.{layer}.self_attn.qkv_proj.weight",
        OutputGate = $"model.layers.{layer}.self_attn.output_gate.weight",
        Norm = $"model.layers.{layer}.self_attn.norm.weight",
        NormEpsilon = LightningNormEpsilon,
        OutputProjection = $"model.layers.{layer}.self_attn.out_proj.weight",
    };

    private static SoftmaxSpec SoftmaxMixer(Sizes sizes, int layer, int rotaryDim, double theta) => new()
    {
        Heads = sizes.Heads,
        KeyValueHeads = sizes.KeyValueHeads,
        HeadDim = sizes.HeadDim,
        RotaryDim = rotaryDim,
        RopeTheta = theta,
        Query = $"model.layers.{layer}.self_attn.q_proj.weight",
        Key = $"model.layers.{layer}.self_attn.k_proj.weight",
        Value = $"model.layers.{layer}.self_attn.v_proj.weight",
        Output = $"model.layers.{layer}.self_attn.o_proj.weight",
    };

    private static ImmutableArray<FeedForwardSpec> ReadFeedForwards(ConfigReader config, Dialect dialect, Sizes sizes)
    {
        var width = config.Integer("intermediate_size", 1, ModelLimits.Width);
        var experts = config.IntegerOrList("num_local_experts", sizes.Layers, 1, ModelLimits.Experts);
        var topK = config.Integer("num_experts_per_tok", 1, ModelLimits.Experts);
        var sharedWidths = config.IntegerOrList("shared_intermediate_size", sizes.Layers, 0, ModelLimits.Width, fallback: 0, rest: 0);
        var layers = ImmutableArray.CreateBuilder<FeedForwardSpec>(sizes.Layers);
        for (var i = 0; i < sizes.Layers; i++)
        {
            if (dialect.IsVendor && experts[i] == 1)
            {
                layers.Add(new DenseSpec { Width = width, Tensors = Projections($"model.layers.{i}.mlp") });
                continue;
            }

            if (topK > experts[i])
            {
                throw config.Inconsistent("num_experts_per_tok", $"is {topK}; layer {i} has {experts[i]} experts (num_local_experts).");
            }

            layers.Add(new MoeSpec
            {
                Experts = experts[i],
                TopK = topK,
                Width = width,
                Router = $"model.layers.{i}.block_sparse_moe.gate.weight",
                ExpertNames = new ExpertNaming($"model.layers.{i}.block_sparse_moe.experts.", Gate: ".w1.weight", Up: ".w3.weight", Down: ".w2.weight"),
                Shared = sharedWidths[i] == 0 ? null : SharedExpert(config, i, sharedWidths[i]),
            });
        }

        return layers.MoveToImmutable();
    }

    /// <remarks>Implementations disagree on the mode that holds when none is given, so it must be.</remarks>
    private static SharedExpertSpec SharedExpert(ConfigReader config, int layer, int width) => new()
    {
        Width = width,
        Tensors = Projections($"model.layers.{layer}.shared_mlp"),
        Coefficient = $"model.layers.{layer}.coefficient.weight",
        Mode = config.Text("shared_moe_mode", ["sigmoid", "softmax"]) == "sigmoid" ? SharedExpertMode.Sigmoid : SharedExpertMode.Softmax,
    };

    private static GatedTensors Projections(string prefix) =>
        new(Gate: $"{prefix}.gate_proj.weight", Up: $"{prefix}.up_proj.weight", Down: $"{prefix}.down_proj.weight");
}
