using Loire.Cuda;

namespace Loire.Gpu.Tests.Benchmarks;

/// <summary>Cases of one kernel that are timed. Every class derived from it is found by itself; tests of its kernel are green before it runs.</summary>
public abstract class KernelBenchmark
{
    /// <summary>Of the kernel, and of the page of results.</summary>
    public abstract string Name { get; }

    /// <summary>One after the other: each case's memory is freed before the next is made.</summary>
    public abstract IEnumerable<BenchmarkCase> Cases(Gpu gpu);
}

/// <summary>One shape of one kernel.</summary>
/// <remarks>
/// <see cref="Enqueue"/> is recorded into a graph, several times with repetition 0, 1, 2, ...: it does not allocate. Where what it reads fits the second-level cache, it reads
/// another copy in each repetition, as a model's next layer does: <c>copies[repetition % copies.Length]</c>.
/// </remarks>
public sealed class BenchmarkCase(string shape, Action<CudaStream, int> enqueue, params IDisposable[] owned) : IDisposable
{
    /// <summary>Such as <c>64 x 6144 -> 24576 bf16</c>.</summary>
    public string Shape { get; } = shape;

    public Action<CudaStream, int> Enqueue { get; } = enqueue;

    /// <summary>What it has to read and write at least, in bytes.</summary>
    public long Bytes { get; init; }

    /// <summary>Multiplications and additions of its matrix products, two a pair; 0: it is bound by memory alone.</summary>
    public double Operations { get; init; }

    /// <summary>Times in a graph. Enough that a launch of the graph does not count.</summary>
    public int Repetitions { get; init; } = 16;

    public void Dispose()
    {
        foreach (var item in owned)
        {
            item.Dispose();
        }
    }
}
