using System.Collections.Immutable;
using Loire.Cuda;

namespace Loire.Engine.Placement;

/// <summary>The GPUs that a plan may use, and which of them can reach each other's memory.</summary>
/// <param name="Gpus">By ordinal, ascending.</param>
/// <param name="Links">Pairs, the lower ordinal first, that read and write each other's memory.</param>
public sealed record GpuInventory(ImmutableArray<GpuRoom> Gpus, ImmutableHashSet<(int Lower, int Higher)> Links)
{
    public bool AreLinked(int one, int other) => Links.Contains((Math.Min(one, other), Math.Max(one, other)));

    public GpuRoom? Find(int ordinal) => Gpus.FirstOrDefault(gpu => gpu.Ordinal == ordinal);

    /// <summary>What is left once somebody takes so many bytes of some GPUs.</summary>
    public GpuInventory Without(IReadOnlyDictionary<int, long> taken) => this with
    {
        Gpus = [.. Gpus.Select(gpu => gpu with { FreeBytes = Math.Max(0, gpu.FreeBytes - taken.GetValueOrDefault(gpu.Ordinal)) })],
    };

    /// <summary>Asks the driver. Each GPU that is asked gets a context for that time: a second or so, and some hundred MB that are free again after it.</summary>
    /// <param name="only">Those that are asked; null: all that this process sees. A GPU that refuses a context counts as full.</param>
    /// <exception cref="CudaMissingException">There is no driver, a library is missing, or a GPU that is named is not there.</exception>
    public static GpuInventory Read(GpuGroups? only = null)
    {
        var probe = CudaDriver.Probe();
        if (!probe.IsUsable)
        {
            throw new CudaMissingException(probe.Reason);
        }

        var ordinals = only?.Devices.Order().ToArray() ?? [.. Enumerable.Range(0, probe.Gpus.Length)];
        List<CudaDevice> opened = [];
        try
        {
            List<GpuRoom> rooms = [];
            foreach (var ordinal in ordinals)
            {
                rooms.Add(Room(ordinal, opened));
            }

            var links = from one in opened
                        from other in opened
                        where one.Ordinal < other.Ordinal && one.CanAccessPeer(other) && other.CanAccessPeer(one)
                        select (one.Ordinal, other.Ordinal);
            return new GpuInventory([.. rooms], [.. links]);
        }
        finally
        {
            opened.ForEach(device => device.Dispose());
        }
    }

    private static GpuRoom Room(int ordinal, List<CudaDevice> opened)
    {
        try
        {
            var device = CudaDevice.Open(ordinal);
            opened.Add(device);
            return new GpuRoom(ordinal, device.Name, device.FreeMemory(), device.TotalMemory);
        }
        catch (CudaException refusal) when (ordinal < CudaDriver.Probe().Gpus.Length)
        {
            var known = CudaDriver.Probe().Gpus[ordinal]; // in use by a process that shares it with nobody, say
            return new GpuRoom(ordinal, known.Name, 0, known.MemoryBytes) { Refusal = refusal.Message };
        }
    }
}

/// <summary>A GPU and the room on it.</summary>
/// <param name="Ordinal">As the driver counts, from 0.</param>
/// <param name="Name">Of the product.</param>
/// <param name="FreeBytes">That nobody has.</param>
/// <param name="TotalBytes">Of its memory.</param>
public sealed record GpuRoom(int Ordinal, string Name, long FreeBytes, long TotalBytes)
{
    /// <summary>Left free: what libraries and kernels take, and what other processes may want.</summary>
    private const double Reserve = 0.06;

    /// <summary>Why it gives this process no context, and so counts as full; null: it does.</summary>
    public string? Refusal { get; init; }

    /// <summary>What a plan may take.</summary>
    public long UsableBytes => Math.Max(0, FreeBytes - (long)(Reserve * TotalBytes));
}
