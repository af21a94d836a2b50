using System.Diagnostics;
using System.Text;
using Loire.Cuda;
using Loire.Gpu.Tests.Benchmarks;

namespace Loire.Gpu.Tests.Running;

/// <summary>All wanted benchmarks, a table of them, and their pages.</summary>
internal sealed class BenchmarkRun(Arguments arguments, TextWriter output)
{
    private readonly List<BenchmarkRow> _rows = [];
    private readonly List<string> _failures = [];

    /// <returns>Whether none failed.</returns>
    public bool Run()
    {
        var benchmarks = Wanted();
        if (benchmarks.Length == 0)
        {
            return true;
        }

        var gpu = new Gpu(); // not disposed: it would count what a failed benchmark has left behind
        var limits = DeviceLimits.Measure(gpu);
        output.WriteLine($"{gpu.Device.Name}: {limits.BytesPerSecond / 1e9:0} GB/s, {limits.OperationsPerSecond / 1e12:0} TFLOP/s bf16, measured");
        foreach (var benchmark in benchmarks)
        {
            Run(benchmark, gpu, limits);
        }

        foreach (var kernel in gpu.Kernels)
        {
            output.WriteLine(kernel);
        }

        if (_failures.Count > 0)
        {
            output.WriteLine($"FAILED: {string.Join(", ", _failures)}");
        }

        if (arguments.Results is { } folder && _rows.Count > 0)
        {
            Write(Path.Combine(folder, gpu.Device.Name.Replace(' ', '-')), gpu.Device, limits);
        }

        return _failures.Count == 0;
    }

    private KernelBenchmark[] Wanted() =>
    [
        .. typeof(KernelBenchmark).Assembly.GetTypes()
            .Where(type => type.IsSubclassOf(typeof(KernelBenchmark)) && !type.IsAbstract)
            .Select(type => (KernelBenchmark)Activator.CreateInstance(type)!)
            .Where(benchmark => Arguments.Matches(arguments.Benchmarks, benchmark.Name))
            .OrderBy(benchmark => benchmark.Name, StringComparer.Ordinal),
    ];

    private void Run(KernelBenchmark benchmark, Gpu gpu, DeviceLimits limits)
    {
        try
        {
            using var watch = new DeviceStopwatch(gpu.Device, gpu.Stream);
            foreach (var measured in benchmark.Cases(gpu))
            {
                using (measured)
                {
                    var row = BenchmarkRow.Of(benchmark.Name, measured, watch.Time(measured.Enqueue, measured.Repetitions), limits);
                    _rows.Add(row);
                    output.WriteLine(row.AsText());
                    output.Flush();
                }
            }
        }
        catch (Exception failure) when (failure is not CudaException { IsSticky: true })
        {
            _failures.Add(benchmark.Name);
            output.WriteLine($"{benchmark.Name}: {failure}");
        }
    }

    private void Write(string folder, CudaDevice device, DeviceLimits limits)
    {
        Directory.CreateDirectory(folder);
        foreach (var kernel in _rows.GroupBy(row => row.Kernel))
        {
            var page = new StringBuilder();
            page.AppendLine($"# {kernel.Key}");
            page.AppendLine();
            page.AppendLine($"{device.Name}, {DriverOf(device)}. `ops/gpu run --tests none --bench {kernel.Key}`, which runs no tests itself.");
            page.AppendLine($"Limits measured in the same run: {limits.BytesPerSecond / 1e9:0} GB/s (copy, reads and writes counted), {limits.OperationsPerSecond / 1e12:0} TFLOP/s (bf16 product of random numbers).");
            page.AppendLine();
            page.AppendLine("| kernel | shape | µs, median (p5 to p95) | GB/s | TFLOP/s | share of the nearer limit |");
            page.AppendLine("|---|---|---|---|---|---|");
            foreach (var row in kernel)
            {
                page.AppendLine(row.AsMarkdown());
            }

            File.WriteAllText(Path.Combine(folder, $"{kernel.Key.ToLowerInvariant().Replace(' ', '-')}.md"), page.ToString());
        }
    }

    /// <summary>As nvidia-smi has it; what the driver itself says where that is not there.</summary>
    private static string DriverOf(CudaDevice device)
    {
        try
        {
            using var asked = Process.Start(new ProcessStartInfo(
                "nvidia-smi",
                [$"--id={device.Ordinal}", "--query-gpu=driver_version,clocks.sm,clocks.max.sm,clocks.mem", "--format=csv,noheader"]) { RedirectStandardOutput = true });
            var answer = asked!.StandardOutput.ReadToEnd().Trim().Split(", ");
            asked.WaitForExit();
            if (answer.Length == 4)
            {
                return $"driver {answer[0]}, clock {answer[1]} of {answer[2]} just after the run, memory {answer[3]}";
            }
        }
        catch (System.ComponentModel.Win32Exception)
        {
            // There is no nvidia-smi.
        }

        return $"CUDA {CudaDriver.Probe().DriverVersion}, clock at most {device.ClockMegahertz} MHz";
    }
}
