using Loire.Cuda;

namespace Loire.Gpu.Tests;

/// <summary>Inputs of tests: the same for the same seed, on every machine.</summary>
public static class Numbers
{
    /// <summary>Normal, mean 0.</summary>
    public static float[] Normal(int seed, long count, double deviation = 1)
    {
        var random = new Random(seed);
        var numbers = new float[count];
        for (var i = 0L; i < count; i += 2)
        {
            var radius = Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * deviation;
            var angle = 2 * Math.PI * random.NextDouble();
            numbers[i] = (float)(radius * Math.Cos(angle));
            if (i + 1 < count)
            {
                numbers[i + 1] = (float)(radius * Math.Sin(angle));
            }
        }

        return numbers;
    }

    /// <summary>Even between the two.</summary>
    public static float[] Uniform(int seed, long count, double from = 0, double to = 1)
    {
        var random = new Random(seed);
        var numbers = new float[count];
        for (var i = 0L; i < count; i++)
        {
            numbers[i] = (float)(from + ((to - from) * random.NextDouble()));
        }

        return numbers;
    }

    /// <summary>0 up to, and without, the end.</summary>
    public static int[] Integers(int seed, long count, int end)
    {
        var random = new Random(seed);
        var numbers = new int[count];
        for (var i = 0L; i < count; i++)
        {
            numbers[i] = random.Next(end);
        }

        return numbers;
    }

    public static BFloat16[] AsBFloat16(float[] numbers) => Array.ConvertAll(numbers, number => (BFloat16)number);

    public static float[] AsFloat(BFloat16[] numbers) => Array.ConvertAll(numbers, number => (float)number);

    /// <summary>What is left of the numbers after they were stored as bf16.</summary>
    public static float[] Rounded(float[] numbers) => Array.ConvertAll(numbers, number => (float)(BFloat16)number);
}
