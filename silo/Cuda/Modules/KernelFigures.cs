namespace Loire.Cuda;

/// <summary>What the compiler has made of a kernel.</summary>
/// <param name="Name">Of the function.</param>
/// <param name="Registers">Of a thread.</param>
/// <param name="SpillBytes">Of a thread: what did not fit them.</param>
public readonly record struct KernelFigures(string Name, int Registers, int SpillBytes);

internal interface IKernelFigures
{
    KernelFigures Figures { get; }
}
