using System.Diagnostics;
using Loire.Cli.Terminal;

namespace Loire.EndToEnd.Tests.Running;

/// <summary>The command line, run to its end as a process.</summary>
internal static class CommandProcess
{
    /// <param name="arguments">As typed after <c>ops/loire</c>.</param>
    public static Task<CommandResult> RunAsync(params string[] arguments) => TypeAsync("", arguments);

    /// <param name="input">What is typed while it runs.</param>
    /// <param name="arguments">As typed after <c>ops/loire</c>.</param>
    public static async Task<CommandResult> TypeAsync(string input, params string[] arguments)
    {
        var start = new ProcessStartInfo("dotnet", [typeof(CommandLine).Assembly.Location, .. arguments])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        using var process = Process.Start(start)!;
        try
        {
            await process.StandardInput.WriteAsync(input);
            process.StandardInput.Close();
            var output = process.StandardOutput.ReadToEndAsync(Deadline.Token());
            var error = process.StandardError.ReadToEndAsync(Deadline.Token());
            await process.WaitForExitAsync(Deadline.Token());
            return new CommandResult(process.ExitCode, await output, await error);
        }
        finally
        {
            if (!process.HasExited)
            {
                process.Kill();
            }
        }
    }
}

internal sealed record CommandResult(int ExitCode, string Output, string Error)
{
    public override string ToString() => $"exit code {ExitCode}{Environment.NewLine}{Output}{Environment.NewLine}{Error}";
}
