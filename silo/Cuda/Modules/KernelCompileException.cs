namespace Loire.Cuda;

/// <summary>The compiler has refused a kernel. The message has its name, for which architecture it was, and the compiler's log.</summary>
public sealed class KernelCompileException(string kernel, string architecture, string compiler, string log)
    : Exception($"{kernel} does not compile for {architecture} with {compiler}:{Environment.NewLine}{log.Trim()}")
{
    public string Kernel { get; } = kernel;

    public string Log { get; } = log;
}
