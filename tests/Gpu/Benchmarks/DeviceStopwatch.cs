using Loire.Cuda;

namespace Loire.Gpu.Tests.Benchmarks;

/// <summary>Times work on the device by its own clock: a graph of several repetitions, launched again and again.</summary>
public sealed class DeviceStopwatch(CudaDevice device, CudaStream stream) : IDisposable
{
    private const int Runs = 25;
    private readonly CudaEvent _start = device.NewEvent(timing: true);
    private readonly CudaEvent _end = device.NewEvent(timing: true);

    /// <returns>Of one repetition.</returns>
    public Spread Time(Action<CudaStream, int> enqueue, int repetitions)
    {
        enqueue(stream, 0); // whatever is made at the first use is made now, outside of the graph
        stream.Synchronize();
        using var graph = CudaGraph.Capture(stream, () =>
        {
            for (var i = 0; i < repetitions; i++)
            {
                enqueue(stream, i);
            }
        });
        return Time(() => graph.Launch(stream), repetitions);
    }

    /// <summary>The same without a graph: for work that takes much longer than its launch.</summary>
    /// <returns>Of one repetition.</returns>
    public Spread TimeOnStream(Action<CudaStream, int> enqueue, int repetitions) => Time(
        () =>
        {
            for (var i = 0; i < repetitions; i++)
            {
                enqueue(stream, i);
            }
        },
        repetitions);

    private Spread Time(Action run, int repetitions)
    {
        run();
        run();
        stream.Synchronize();
        var times = new double[Runs];
        for (var i = 0; i < Runs; i++)
        {
            stream.Record(_start);
            run();
            stream.Record(_end);
            stream.Synchronize();
            times[i] = _end.Since(_start).TotalMicroseconds / repetitions;
        }

        return Spread.Of(times);
    }

    public void Dispose()
    {
        _start.Dispose();
        _end.Dispose();
    }
}

/// <summary>Of several measurements.</summary>
/// <param name="Median">In the measurements' unit.</param>
/// <param name="Low">One in twenty is below.</param>
/// <param name="High">One in twenty is above.</param>
public readonly record struct Spread(double Median, double Low, double High)
{
    public static Spread Of(double[] values)
    {
        var sorted = values.Order().ToArray();
        return new Spread(At(sorted, 0.5), At(sorted, 0.05), At(sorted, 0.95));
    }

    private static double At(double[] sorted, double share) => sorted[(int)Math.Round(share * (sorted.Length - 1))];
}
