using Loire.Cuda;

namespace Loire.Gpu.Tests.Running;

/// <summary>A replica whose GPU disappears while it generates, as far as the driver's stand-in can show it. A process of its own, which must not outlive that.</summary>
internal static class LostGpu
{
    public const string Word = "--lost-gpu";

    /// <param name="answer">The stand-in's file.</param>
    /// <param name="result">That every call returns from then on, as a number.</param>
    /// <returns>0: the replica went on as if nothing had been.</returns>
    public static Task<int> RunAsync(string answer, string result) =>
        StickyFault.RunAsync(() => DriverStandIn.Tell(answer, (CuResult)int.Parse(result)));
}
