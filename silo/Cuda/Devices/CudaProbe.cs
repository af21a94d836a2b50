using System.Collections.Immutable;

namespace Loire.Cuda;

/// <summary>What of CUDA is on this machine.</summary>
public sealed record CudaProbe
{
    /// <summary>In the driver's order; empty when there is none that can be used.</summary>
    public required ImmutableArray<GpuDescription> Gpus { get; init; }

    /// <summary>Of CUDA that the driver supports, such as 13.0; null without a driver.</summary>
    public required string? DriverVersion { get; init; }

    /// <summary>Where each library was found.</summary>
    public required ImmutableArray<string> Libraries { get; init; }

    /// <summary>A sentence for each thing that is missing.</summary>
    public required ImmutableArray<string> Missing { get; init; }

    /// <summary>Whether a model can run here.</summary>
    public bool IsUsable => Gpus.Length > 0 && Missing.Length == 0;

    /// <summary>Why it is not usable, in a line; empty when it is.</summary>
    public string Reason => string.Join(" ", Missing);

    /// <summary>Why that GPU cannot be opened; null: it is there.</summary>
    internal string? Refusal(int ordinal)
    {
        if (!IsUsable)
        {
            return Reason;
        }

        return (uint)ordinal < (uint)Gpus.Length
            ? null
            : $"There is no GPU {ordinal}: this process sees {string.Join(", ", Gpus.Select(gpu => $"GPU {gpu.Ordinal} ({gpu.Name})"))}. "
                + "Name one of those, or look at nvidia-smi -L and CUDA_VISIBLE_DEVICES for why it is not among them; for one that was there before, see ops/runbooks/gpu-lost.md.";
    }
}

/// <param name="Ordinal">As the driver counts.</param>
/// <param name="Name">Of the product.</param>
/// <param name="MemoryBytes">In all.</param>
/// <param name="Compute">Compute capability, such as 9.0.</param>
public readonly record struct GpuDescription(int Ordinal, string Name, long MemoryBytes, Version Compute);
