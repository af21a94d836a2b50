namespace Loire.Gpu.Tests.Running;

/// <summary>All wanted classes, some at a time, and a line for each.</summary>
internal static class TestRun
{
    /// <returns>Whether nothing failed.</returns>
    public static async Task<bool> RunAsync(Arguments arguments, TextWriter output)
    {
        var classes = ClassRun.Classes.Where(name => Arguments.Matches(arguments.Tests, name)).ToArray();
        var processes = classes.Select(name => new ClassProcess(name, arguments)).ToArray();
        using var gate = new SemaphoreSlim(arguments.Jobs);
        await Task.WhenAll(processes.Select(async process =>
        {
            await gate.WaitAsync();
            try
            {
                await process.RunAsync();
            }
            finally
            {
                gate.Release();
            }

            lock (gate)
            {
                Tell(process, output);
            }
        }));

        int Total(TestOutcome outcome) => processes.Sum(process => process.Count(outcome));
        foreach (var reason in processes.SelectMany(process => process.Lines).Where(line => line.Outcome is TestOutcome.Skipped).GroupBy(line => line.Text))
        {
            output.WriteLine($"skipped {reason.Count()}: {reason.Key}");
        }

        output.WriteLine($"{Total(TestOutcome.Passed)} passed, {Total(TestOutcome.Failed)} failed, {Total(TestOutcome.Skipped)} skipped");
        return Total(TestOutcome.Failed) == 0;
    }

    private static void Tell(ClassProcess process, TextWriter output)
    {
        const int MostReasons = 8;
        var failed = process.Lines.Where(line => line.Outcome is TestOutcome.Failed).ToArray();
        foreach (var alike in failed.GroupBy(line => FirstOf(line.Text)).Take(MostReasons))
        {
            output.WriteLine($"  FAILED {alike.First().Test}");
            output.WriteLine($"    {Short(alike.First().Text).ReplaceLineEndings($"{Environment.NewLine}    ")}");
            foreach (var line in alike.Skip(1))
            {
                output.WriteLine($"  FAILED for the same reason: {line.Test[(line.Test.LastIndexOf('.') + 1)..]}");
            }
        }

        output.WriteLine(
            $"{Place(process.Name),-40} {process.Count(TestOutcome.Passed),4} passed {failed.Length,4} failed {process.Count(TestOutcome.Skipped),4} skipped {process.Seconds,6:0.0} s");
        output.Flush();
    }

    private static string Place(string name) => name.StartsWith("Loire.Gpu.Tests.", StringComparison.Ordinal) ? name["Loire.Gpu.Tests.".Length..] : name;

    private static string FirstOf(string text) => text.ReplaceLineEndings("\n").Split('\n')[0];

    private static string Short(string text)
    {
        const int Most = 2_500;
        return text.Length <= Most ? text.Trim() : text[..Most];
    }
}
