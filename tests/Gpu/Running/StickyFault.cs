using Loire.Cuda;
using Loire.Engine.Models;
using Loire.Engine.Replica;
using Loire.Engine.Sampling;
using Loire.Engine.Tests.Weights;

namespace Loire.Gpu.Tests.Running;

/// <summary>A replica whose GPU fails while it generates. A process of its own, which must not outlive that.</summary>
internal static class StickyFault
{
    public const string Word = "--sticky-fault";

    private const string Source = """
        struct SpoilParameters { float* x; };
        extern "C" __global__ void spoil(const SpoilParameters p) { *p.x = 1.0f; }
        """;

    public static Task<int> RunAsync() => RunAsync(Spoil);

    /// <param name="spoil">Is called when the first token is there, and makes the GPU fail.</param>
    /// <returns>0: the replica went on as if nothing had been.</returns>
    public static async Task<int> RunAsync(Action spoil)
    {
        var engine = CudaReplica.Load(ModelFolder.Open(RepositoryPaths.DemoModel), new EngineOptions { Slots = 2, KeyValueTokens = 4096 }, new CudaOptions());
        var sequence = engine.Start(new SequenceRequest { Tokens = [3, 40, 50], Sampling = SamplingSettings.Greedy, MaxNewTokens = 4000 });
        var buffer = new GeneratedToken[16];
        await sequence.ReadAsync(buffer, CancellationToken.None);
        spoil();
        while (await sequence.ReadAsync(buffer, CancellationToken.None) > 0)
        {
            // It is to end by the fault, not by itself.
        }

        return 0;
    }

    /// <summary>Writes where no memory is.</summary>
    private static void Spoil()
    {
        using var device = CudaDevice.Open(0);
        using var stream = device.NewStream("spoiling");
        var module = device.Compile(new KernelSource("Spoil.cu", Source, new Dictionary<string, string>(), []));
        module.Function<ulong>("spoil").Launch(stream, new LaunchGrid(1, 1), 8);
    }
}
