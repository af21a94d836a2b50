namespace Loire.Engine.Backends.Cpu.Kernels;

/// <summary>Rotary positions, half-split pairs: channels i and i + R/2 turn by <c>position · θ^(−2i/R)</c>.</summary>
internal static unsafe class Rope
{
    /// <summary>Fills one row of cosines and sines; angles are formed in fp32 as the models' own code does.</summary>
    public static void Fill(float* cosines, float* sines, ReadOnlySpan<float> inverseFrequencies, int position)
    {
        for (var i = 0; i < inverseFrequencies.Length; i++)
        {
            var (sine, cosine) = Math.SinCos(position * inverseFrequencies[i]);
            cosines[i] = (float)cosine;
            sines[i] = (float)sine;
        }
    }

    public static float[] InverseFrequencies(int rotaryDim, double theta)
    {
        var frequencies = new float[rotaryDim / 2];
        for (var i = 0; i < frequencies.Length; i++)
        {
            frequencies[i] = (float)Math.Pow(theta, -2.0 * i / rotaryDim);
        }

        return frequencies;
    }

    public static void Rotate(float* x, float* cosines, float* sines, int half)
    {
        for (var i = 0; i < half; i++)
        {
            var (a, b) = (x[i], x[i + half]);
            x[i] = (a * cosines[i]) - (b * sines[i]);
            x[i + half] = (b * cosines[i]) + (a * sines[i]);
        }
    }
}
