using System.Runtime.InteropServices;
using Loire.Engine.Backends;
using Loire.Engine.Backends.Cuda;
using Loire.Engine.Models;
using Loire.Engine.Replica;
using Loire.Engine.State;
using Loire.Engine.Tests.Weights;
using Loire.Kernels;

namespace Loire.Gpu.Tests.Engine;

/// <summary>States in the canonical layout, on their way to the device and back.</summary>
public sealed class StateTransferTests : IDisposable
{
    private readonly List<CudaBackend> _backends = [];

    [GpuFact]
    public void A_recurrent_state_comes_back_bit_by_bit_and_no_other_slot_changes()
    {
        var backend = Backend(ElementType.BFloat16);
        var (layer, bytes) = backend.State.Recurrent[1];
        var blob = Blob(seed: 1, bytes);
        var found = new byte[bytes];

        backend.WriteRecurrent(layer, slot: 2, blob);
        backend.ReadRecurrent(layer, slot: 2, found);
        Assert.Equal(blob, found);
        backend.ReadRecurrent(layer, slot: 1, found);
        Assert.Equal(new byte[bytes], found);

        backend.ClearState(2);
        backend.ReadRecurrent(layer, slot: 2, found);
        Assert.Equal(new byte[bytes], found);
    }

    [GpuTheory]
    [InlineData(StateShape.PageTokens)]
    [InlineData(1)]
    [InlineData(37)]
    public void Keys_and_values_come_back_as_bf16_has_them(int tokens)
    {
        var backend = Backend(ElementType.BFloat16);
        var (layer, perToken) = backend.State.KeyValue[0];
        var numbers = Numbers.Rounded(Numbers.Normal(seed: 2, tokens * perToken / sizeof(float)));
        var blob = MemoryMarshal.AsBytes(numbers.AsSpan()).ToArray();
        var found = new byte[blob.Length];

        backend.WriteKeyValues(layer, page: 3, tokens, blob);
        backend.ReadKeyValues(layer, page: 3, tokens, found);

        Assert.Equal(blob, found);
    }

    [GpuFact]
    public void A_copy_is_of_its_time_however_many_there_are_and_whatever_is_written_after()
    {
        var backend = Backend(ElementType.BFloat16);
        var (layer, bytes) = backend.State.Recurrent[^1];
        var blobs = Enumerable.Range(0, RecurrentExports.Most + 2).Select(i => Blob(seed: i, bytes)).ToArray();
        var copies = blobs.Select(blob =>
        {
            backend.WriteRecurrent(layer, slot: 0, blob);
            return backend.CopyRecurrent(0);
        }).ToArray();
        backend.ClearState(0);
        var found = new byte[bytes];

        for (var i = 0; i < copies.Length; i++)
        {
            using var copy = copies[i];
            copy.Read(layer, found);
            Assert.Equal(blobs[i], found);
        }
    }

    [GpuFact]
    public void Too_many_slots_for_the_gpu_are_refused_with_what_to_change()
    {
        var sizes = new BackendSizes(Slots: 1 << 22, Pages: 1, MaxRows: 16, MaxLogitsRows: 1, Threads: 0);

        var failure = Assert.ThrowsAny<Exception>(() => CudaBackend.Load(ModelFolder.Open(RepositoryPaths.DemoModel), sizes, new CudaOptions()));

        Assert.Contains("Engine:Slots", failure.Message, StringComparison.Ordinal);
    }

    public void Dispose() => _backends.ForEach(backend => backend.Dispose());

    private CudaBackend Backend(ElementType type)
    {
        var sizes = new BackendSizes(Slots: 4, Pages: 8, MaxRows: 64, MaxLogitsRows: 4, Threads: 0);
        _backends.Add(CudaBackend.Load(ModelFolder.Open(RepositoryPaths.DemoModel), sizes, new CudaOptions { Type = type }));
        return _backends[^1];
    }

    private static byte[] Blob(int seed, int bytes) => MemoryMarshal.AsBytes(Numbers.Normal(seed, bytes / sizeof(float)).AsSpan()).ToArray();
}
