using Loire.Cuda;
using Loire.Gpu.Tests.Running;

namespace Loire.Gpu.Tests;

/// <summary>These tests and benchmarks as a program, for a machine with a GPU and a runtime but no SDK and no network.</summary>
/// <remarks>Exit code 0: all that ran was green. 1: something failed, and no benchmark ran. 2: wrong arguments, or no GPU.</remarks>
internal static class Program
{
    public static async Task<int> Main(string[] words)
    {
        if (words is [StickyFault.Word])
        {
            return await StickyFault.RunAsync();
        }

        if (words is [LostGpu.Word, var answer, var result])
        {
            return await LostGpu.RunAsync(answer, result);
        }

        Arguments arguments;
        try
        {
            arguments = Arguments.Parse(words);
        }
        catch (Exception wrong) when (wrong is ArgumentException or FormatException)
        {
            await Console.Error.WriteLineAsync($"{wrong.Message}{Environment.NewLine}{Arguments.Usage}");
            return 2;
        }

        if (arguments.Class is { } one)
        {
            using var run = new ClassRun(Console.Out);
            return run.Run(one);
        }

        if (arguments.List)
        {
            Console.WriteLine(string.Join(Environment.NewLine, ClassRun.Classes));
            return 0;
        }

        var probe = CudaDriver.Probe();
        Console.WriteLine(probe.IsUsable
            ? $"{probe.Gpus.Length} x {probe.Gpus[0].Name}, CUDA {probe.DriverVersion}; {string.Join(", ", probe.Libraries)}"
            : $"no GPU: {probe.Reason}");
        if (arguments.Tests.Length > 0 && !await TestRun.RunAsync(arguments, Console.Out))
        {
            return 1;
        }

        if (!probe.IsUsable)
        {
            return 2;
        }

        return new BenchmarkRun(arguments, Console.Out).Run() ? 0 : 1;
    }
}
