namespace Loire.Kernels;

/// <summary>Lightning attention of one head, token by token, in double precision: what its kernels mean.</summary>
public static class LightningReference
{
    /// <summary><c>S ← e^(−s) S + k ⊗ v; o = qᵀS</c> for each row in turn.</summary>
    /// <param name="qkv"><c>[rows, 3 d]</c>: q | k | v.</param>
    /// <param name="state"><c>[d, d]</c> in [k, v] order; changed in place.</param>
    /// <param name="decay"><c>e^(−s)</c></param>
    /// <param name="headDim">d</param>
    /// <returns><c>[rows, d]</c></returns>
    public static double[] Apply(ReadOnlySpan<float> qkv, Span<double> state, double decay, int headDim)
    {
        var rows = qkv.Length / (3 * headDim);
        var output = new double[rows * headDim];
        for (var row = 0; row < rows; row++)
        {
            var input = qkv.Slice(row * 3 * headDim, 3 * headDim);
            for (var i = 0; i < headDim; i++)
            {
                double q = input[i];
                double k = input[headDim + i];
                for (var j = 0; j < headDim; j++)
                {
                    var s = (decay * state[(i * headDim) + j]) + (k * input[(2 * headDim) + j]);
                    state[(i * headDim) + j] = s;
                    output[(row * headDim) + j] += q * s;
                }
            }
        }

        return output;
    }

    /// <summary>The same in chunks of <paramref name="chunk"/> tokens, as prefill computes it: scores inside a chunk, and the state before it.</summary>
    public static double[] ApplyInChunks(ReadOnlySpan<float> qkv, Span<double> state, double slope, int headDim, int chunk)
    {
        var rows = qkv.Length / (3 * headDim);
        var output = new double[rows * headDim];
        for (var first = 0; first < rows; first += chunk)
        {
            var count = Math.Min(chunk, rows - first);
            ApplyChunk(qkv.Slice(first * 3 * headDim, count * 3 * headDim), state, output.AsSpan(first * headDim, count * headDim), slope, headDim);
        }

        return output;
    }

    private static void ApplyChunk(ReadOnlySpan<float> qkv, Span<double> state, Span<double> output, double slope, int d)
    {
        var count = output.Length / d;
        for (var i = 0; i < count; i++)
        {
            var q = qkv.Slice(i * 3 * d, d);
            for (var c = 0; c < d; c++)
            {
                var before = 0.0;
                for (var k = 0; k < d; k++)
                {
                    before += q[k] * state[(k * d) + c];
                }

                output[(i * d) + c] = Math.Exp(-slope * (i + 1)) * before;
            }

            for (var j = 0; j <= i; j++)
            {
                var score = 0.0;
                for (var k = 0; k < d; k++)
                {
                    score += (double)q[k] * qkv[(j * 3 * d) + d + k];
                }

                for (var c = 0; c < d; c++)
                {
                    output[(i * d) + c] += Math.Exp(-slope * (i - j)) * score * qkv[(j * 3 * d) + (2 * d) + c];
                }
            }
        }

        for (var k = 0; k < d; k++)
        {
            for (var c = 0; c < d; c++)
            {
                var sum = Math.Exp(-slope * count) * state[(k * d) + c];
                for (var j = 0; j < count; j++)
                {
                    sum += Math.Exp(-slope * (count - 1 - j)) * qkv[(j * 3 * d) + d + k] * qkv[(j * 3 * d) + (2 * d) + c];
                }

                state[(k * d) + c] = sum;
            }
        }
    }
}
