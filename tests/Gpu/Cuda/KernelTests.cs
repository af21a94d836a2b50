using System.Runtime.InteropServices;
using Loire.Cuda;

namespace Loire.Gpu.Tests.Cuda;

public sealed class KernelTests(Gpu gpu) : IClassFixture<Gpu>
{
    private const string AddSource = """
        #include "Factor.h"
        struct AddParameters { float* x; int count; float amount; };
        extern "C" __global__ void add(const AddParameters p)
        {
            #if __CUDA_ARCH__ >= 900
            asm volatile("griddepcontrol.wait;" ::: "memory");
            #endif
            int i = blockIdx.x * blockDim.x + threadIdx.x;
            if (i < p.count) { p.x[i] += p.amount * FACTOR; }
        }
        """;

    [GpuFact]
    public void A_kernel_is_compiled_with_its_headers_and_runs()
    {
        using var module = gpu.Device.Compile(Source());
        using var buffer = gpu.Upload([1f, 2, 3]);

        module.Function<AddParameters>("add").Launch(gpu.Stream, new LaunchGrid(1, 32), new AddParameters(buffer.Address, 3, 10));

        Assert.Equal([21, 22, 23], buffer.Download());
    }

    [GpuFact]
    public void A_parameter_of_another_size_is_refused()
    {
        using var module = gpu.Device.Compile(Source());

        var failure = Assert.Throws<InvalidOperationException>(() => module.Function<long>("add"));

        Assert.Contains("add of Add.cu takes 16 bytes", failure.Message, StringComparison.Ordinal);
    }

    [GpuFact]
    public void A_kernel_that_does_not_compile_is_named_with_the_compilers_words()
    {
        var source = new KernelSource("Broken.cu", "extern \"C\" __global__ void broken() { nonsense(); }", new Dictionary<string, string>(), []);

        var failure = Assert.Throws<KernelCompileException>(() => gpu.Device.Compile(source));

        Assert.StartsWith($"Broken.cu does not compile for {gpu.Device.Architecture} with NVRTC", failure.Message, StringComparison.Ordinal);
        Assert.Contains("nonsense", failure.Message, StringComparison.Ordinal);
    }

    [GpuFact]
    public void A_graph_runs_what_was_recorded_and_takes_new_parameters()
    {
        using var module = gpu.Device.Compile(Source());
        using var buffer = gpu.Upload([0f, 0, 0]);
        var function = module.Function<AddParameters>("add");
        void Twice(float amount)
        {
            function.Launch(gpu.Stream, new LaunchGrid(1, 32), new AddParameters(buffer.Address, 3, amount));
            function.Launch(gpu.Stream, new LaunchGrid(1, 1, 1, 32, Programmatic: true), new AddParameters(buffer.Address, 2, amount));
        }

        using var graph = CudaGraph.Capture(gpu.Stream, () => Twice(1));
        graph.Launch(gpu.Stream);
        Assert.Equal([4, 4, 2], buffer.Download());
        Assert.True(graph.TryUpdate(gpu.Stream, () => Twice(0.5f)));
        graph.Launch(gpu.Stream);

        Assert.Equal([6, 6, 3], buffer.Download());
        Assert.Equal(2, graph.Nodes);
    }

    [GpuFact]
    public void A_launch_that_no_gpu_can_do_says_its_form()
    {
        using var module = gpu.Device.Compile(Source());
        using var buffer = gpu.Upload([0f]);

        var failure = Assert.Throws<CudaException>(() => module.Function<AddParameters>("add").Launch(gpu.Stream, new LaunchGrid(1, 4096), new AddParameters(buffer.Address, 1, 1)));

        Assert.Contains("The launch of add (1 x 1 x 1 blocks of 4096 threads", failure.Message, StringComparison.Ordinal);
        Assert.False(failure.IsSticky);
    }

    [GpuFact]
    public void An_event_of_another_stream_is_waited_for()
    {
        using var module = gpu.Device.Compile(Source());
        using var other = gpu.Device.NewStream("another");
        using var done = gpu.Device.NewEvent();
        using var buffer = gpu.Upload([0f]);
        var function = module.Function<AddParameters>("add");
        for (var i = 0; i < 100; i++)
        {
            function.Launch(gpu.Stream, new LaunchGrid(1, 32), new AddParameters(buffer.Address, 1, 1));
        }

        gpu.Stream.Record(done);
        other.Wait(done);
        var copied = new float[1];
        other.Download(buffer.Vector, copied.AsSpan());

        Assert.Equal([200], copied);
        Assert.True(done.IsReached());
    }

    private static KernelSource Source() =>
        new("Add.cu", AddSource, new Dictionary<string, string> { ["Factor.h"] = "#define FACTOR GAIN" }, ["GAIN=2"]);

    [StructLayout(LayoutKind.Sequential)]
    private readonly record struct AddParameters(ulong X, int Count, float Amount);
}
