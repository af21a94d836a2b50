using Loire.Engine.Models;
using Loire.Engine.Weights;

namespace Loire.Engine.Tests.Backends;

/// <summary>What a model means: plain loops in double precision over whole prompts, the formulas as the specification has them.</summary>
/// <remarks>The oracle where no published reference exists: odd sizes, shared experts, dense layers.</remarks>
internal sealed class ReferenceModel(ModelGraph graph, IWeightSource weights)
{
    private readonly Dictionary<string, double[]> _cache = [];

    /// <returns><c>[tokens][vocabulary]</c></returns>
    public double[][] Logits(int[] ids)
    {
        var embedding = Tensor(graph.EmbeddingTensor);
        var stream = ids.Select(id => embedding[(id * graph.HiddenSize)..((id + 1) * graph.HiddenSize)]).ToArray();
        foreach (var layer in graph.Layers)
        {
            stream = Join(stream, layer.MixerNorm, layer.MixerResidual, x => Mix(layer.Mixer, x));
            stream = Join(stream, layer.FeedForwardNorm, layer.FeedForwardResidual, x => [.. x.Select(row => FeedForward(layer.FeedForward, row))]);
        }

        return [.. stream.Select(row => Apply(graph.OutputTensor, Norm(row, graph.FinalNormTensor, graph.NormEpsilon)))];
    }

    private double[][] Join(double[][] stream, NormSpec norm, ResidualSpec residual, Func<double[][], double[][]> sublayer)
    {
        var normed = stream.Select(row => Norm(row, norm.Tensor, norm.Epsilon)).ToArray();
        var output = sublayer(normed);
        return [.. stream.Select((row, t) => row.Select((h, i) =>
            (residual.Alpha * (residual.PostNorm ? normed[t][i] : h)) + (residual.Beta * output[t][i])).ToArray())];
    }

    private double[][] Mix(MixerSpec mixer, double[][] x) => mixer switch
    {
        LightningSpec lightning => Lightning(lightning, x),
        SoftmaxSpec softmax => Softmax(softmax, x),
        _ => throw new NotSupportedException(mixer.GetType().Name),
    };

    private double[][] Lightning(LightningSpec spec, double[][] x)
    {
        var d = spec.HeadDim;
        var states = new double[spec.Heads, d, d];
        var outputs = new double[x.Length][];
        for (var t = 0; t < x.Length; t++)
        {
            var qkv = Apply(spec.QkvProjection, x[t]).Select(Silu).ToArray();
            var mixed = new double[spec.Heads * d];
            for (var h = 0; h < spec.Heads; h++)
            {
                var decay = Math.Exp(-(double)spec.Slopes[h]);
                for (var i = 0; i < d; i++)
                {
                    for (var j = 0; j < d; j++)
                    {
                        states[h, i, j] = (decay * states[h, i, j]) + (qkv[(h * 3 * d) + d + i] * qkv[(h * 3 * d) + (2 * d) + j]);
                        mixed[(h * d) + j] += qkv[(h * 3 * d) + i] * states[h, i, j];
                    }
                }
            }

            var gate = Apply(spec.OutputGate, x[t]).Select(Sigmoid).ToArray();
            var normed = Norm(mixed, spec.Norm, spec.NormEpsilon);
            outputs[t] = Apply(spec.OutputProjection, [.. normed.Zip(gate, (n, g) => n * g)]);
        }

        return outputs;
    }

    private double[][] Softmax(SoftmaxSpec spec, double[][] x)
    {
        var d = spec.HeadDim;
        var q = x.Select((row, t) => Rotate(Apply(spec.Query, row), spec, t)).ToArray();
        var k = x.Select((row, t) => Rotate(Apply(spec.Key, row), spec, t)).ToArray();
        var v = x.Select(row => Apply(spec.Value, row)).ToArray();
        return [.. x.Select((_, t) =>
        {
            var mixed = new double[spec.Heads * d];
            for (var h = 0; h < spec.Heads; h++)
            {
                var kv = h / (spec.Heads / spec.KeyValueHeads);
                var scores = Enumerable.Range(0, t + 1)
                    .Select(s => Enumerable.Range(0, d).Sum(i => q[t][(h * d) + i] * k[s][(kv * d) + i]) / Math.Sqrt(d)).ToArray();
                var most = scores.Max();
                var sum = scores.Sum(score => Math.Exp(score - most));
                for (var s = 0; s <= t; s++)
                {
                    for (var i = 0; i < d; i++)
                    {
                        mixed[(h * d) + i] += Math.Exp(scores[s] - most) / sum * v[s][(kv * d) + i];
                    }
                }
            }

            return Apply(spec.Output, mixed);
        })];
    }

    private static double[] Rotate(double[] x, SoftmaxSpec spec, int position)
    {
        var rotated = (double[])x.Clone();
        var half = spec.RotaryDim / 2;
        for (var head = 0; head < x.Length / spec.HeadDim; head++)
        {
            for (var i = 0; i < half; i++)
            {
                var angle = position * Math.Pow(spec.RopeTheta, -2.0 * i / spec.RotaryDim);
                var (a, b) = (x[(head * spec.HeadDim) + i], x[(head * spec.HeadDim) + i + half]);
                rotated[(head * spec.HeadDim) + i] = (a * Math.Cos(angle)) - (b * Math.Sin(angle));
                rotated[(head * spec.HeadDim) + i + half] = (b * Math.Cos(angle)) + (a * Math.Sin(angle));
            }
        }

        return rotated;
    }

    private double[] FeedForward(FeedForwardSpec spec, double[] x)
    {
        if (spec is DenseSpec dense)
        {
            return Gated(dense.Tensors, x);
        }

        var moe = (MoeSpec)spec;
        var logits = Apply(moe.Router, x);
        var chosen = Enumerable.Range(0, moe.Experts).OrderByDescending(e => logits[e]).Take(moe.TopK).ToArray();
        var sum = chosen.Sum(e => Math.Exp(logits[e]));
        var output = new double[x.Length];
        foreach (var expert in chosen)
        {
            var y = Gated(moe.Expert(expert), x);
            for (var i = 0; i < output.Length; i++)
            {
                output[i] += Math.Exp(logits[expert]) / sum * y[i];
            }
        }

        if (moe.Shared is not { } shared)
        {
            return output;
        }

        var c = shared.Mode == SharedExpertMode.Softmax ? 1 : Sigmoid(Apply(shared.Coefficient, x)[0]);
        var common = Gated(shared.Tensors, x);
        return [.. output.Select((value, i) => ((1 - c) * value) + (c * common[i]))];
    }

    private double[] Gated(GatedTensors tensors, double[] x)
    {
        var gate = Apply(tensors.Gate, x);
        var up = Apply(tensors.Up, x);
        return Apply(tensors.Down, [.. gate.Zip(up, (g, u) => Silu(g) * u)]);
    }

    private double[] Norm(double[] x, string tensor, float epsilon)
    {
        var weight = Tensor(tensor);
        var scale = 1 / Math.Sqrt((x.Sum(value => value * value) / x.Length) + epsilon);
        return [.. x.Select((value, i) => value * scale * weight[i])];
    }

    private double[] Apply(string tensor, double[] x)
    {
        var matrix = Tensor(tensor);
        var y = new double[matrix.Length / x.Length];
        for (var row = 0; row < y.Length; row++)
        {
            for (var i = 0; i < x.Length; i++)
            {
                y[row] += matrix[(row * x.Length) + i] * x[i];
            }
        }

        return y;
    }

    private double[] Tensor(string name)
    {
        if (!_cache.TryGetValue(name, out var values))
        {
            values = [.. weights.Get(name).ToSingleArray().Select(value => (double)value)];
            _cache[name] = values;
        }

        return values;
    }

    private static double Silu(double x) => x / (1 + Math.Exp(-x));

    private static double Sigmoid(double x) => 1 / (1 + Math.Exp(-x));
}
