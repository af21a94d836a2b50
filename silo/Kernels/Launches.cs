namespace Loire.Kernels;

/// <summary>How kernels are launched.</summary>
internal static class Launches
{
    /// <summary>
    /// Whether a kernel may start while its predecessor on the stream ends. It reads nothing that a predecessor writes before that has ended, and lets its own successor
    /// start only then, so that what was written two kernels before is there from the start. <c>LOIRE_CUDA_PROGRAMMATIC=0</c> switches it off.
    /// </summary>
    public static bool AreProgrammatic { get; } = Environment.GetEnvironmentVariable("LOIRE_CUDA_PROGRAMMATIC") is not "0";
}
