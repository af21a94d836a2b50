using System.Runtime.InteropServices;
using System.Text.Json.Nodes;
using Loire.Engine.Models;
using Loire.Engine.Tests.Weights;
using Loire.Engine.Weights;

namespace Loire.Engine.Tests.Backends;

/// <summary>A model folder with seeded random weights for a config, in bf16, f32 or f16.</summary>
internal static class RandomModel
{
    public static ModelFolder Write(TemporaryFolder folder, JsonObject config, int seed, TensorType type)
    {
        folder.Write("config.json", config.ToJsonString());
        var graph = ModelConfig.Load(folder.Path);
        var random = new Random(seed);
        SafetensorsWriter.Write(Path.Combine(folder.Path, "model.safetensors"), Tensors(graph).Select(tensor => Fill(tensor, random, type)).ToArray());
        return ModelFolder.Open(folder.Path);
    }

    private static IEnumerable<(string Name, long[] Shape)> Tensors(ModelGraph graph)
    {
        long hidden = graph.HiddenSize;
        yield return (graph.EmbeddingTensor, [graph.VocabularySize, hidden]);
        yield return (graph.FinalNormTensor, [hidden]);
        if (!graph.TiedEmbeddings)
        {
            yield return (graph.OutputTensor, [graph.VocabularySize, hidden]);
        }

        foreach (var layer in graph.Layers)
        {
            yield return (layer.MixerNorm.Tensor, [hidden]);
            yield return (layer.FeedForwardNorm.Tensor, [hidden]);
            foreach (var tensor in Mixer(layer.Mixer, hidden).Concat(FeedForward(layer.FeedForward, hidden)))
            {
                yield return tensor;
            }
        }
    }

    private static IEnumerable<(string Name, long[] Shape)> Mixer(MixerSpec mixer, long hidden)
    {
        if (mixer is LightningSpec lightning)
        {
            long width = lightning.Heads * lightning.HeadDim;
            return [(lightning.QkvProjection, [3 * width, hidden]), (lightning.OutputGate, [width, hidden]), (lightning.Norm, [width]), (lightning.OutputProjection, [hidden, width])];
        }

        var softmax = (SoftmaxSpec)mixer;
        long query = softmax.Heads * softmax.HeadDim;
        long key = softmax.KeyValueHeads * softmax.HeadDim;
        return [(softmax.Query, [query, hidden]), (softmax.Key, [key, hidden]), (softmax.Value, [key, hidden]), (softmax.Output, [hidden, query])];
    }

    private static IEnumerable<(string Name, long[] Shape)> FeedForward(FeedForwardSpec spec, long hidden)
    {
        if (spec is DenseSpec dense)
        {
            return Gated(dense.Tensors, dense.Width, hidden);
        }

        var moe = (MoeSpec)spec;
        var tensors = Enumerable.Range(0, moe.Experts).SelectMany(expert => Gated(moe.Expert(expert), moe.Width, hidden))
            .Append((moe.Router, [moe.Experts, hidden]));
        return moe.Shared is { } shared
            ? tensors.Concat(Gated(shared.Tensors, shared.Width, hidden)).Append((shared.Coefficient, [1, hidden]))
            : tensors;
    }

    private static IEnumerable<(string Name, long[] Shape)> Gated(GatedTensors tensors, long width, long hidden) =>
        [(tensors.Gate, [width, hidden]), (tensors.Up, [width, hidden]), (tensors.Down, [hidden, width])];

    private static TensorToWrite Fill((string Name, long[] Shape) tensor, Random random, TensorType type)
    {
        var count = tensor.Shape.Aggregate(1L, (product, length) => product * length);
        var isVector = tensor.Shape.Length == 1;
        var scale = isVector ? 0.1 : 2 / Math.Sqrt(tensor.Shape[^1]);
        var values = new float[count];
        for (var i = 0; i < values.Length; i++)
        {
            values[i] = (float)((isVector ? 1 : 0) + (scale * ((random.NextDouble() * 2) - 1)));
        }

        return type switch
        {
            TensorType.BF16 => new(tensor.Name, type, tensor.Shape, Bytes(values.Select(value => (ushort)(BitConverter.SingleToUInt32Bits(value) >> 16)).ToArray())),
            TensorType.F16 => new(tensor.Name, type, tensor.Shape, Bytes(values.Select(value => (Half)value).ToArray())),
            _ => new(tensor.Name, TensorType.F32, tensor.Shape, Bytes(values)),
        };
    }

    private static byte[] Bytes<T>(T[] values)
        where T : unmanaged => MemoryMarshal.AsBytes(values.AsSpan()).ToArray();
}
