using System.CommandLine;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using Loire.Cli.Http;
using Loire.Engine.Weights;
using Loire.Store;
using Loire.Text;
using StackExchange.Redis;

namespace Loire.Cli.Terminal;

/// <summary>Runs the command that the arguments name, and turns what goes wrong into one line and an exit code.</summary>
internal static class CommandLine
{
    /// <summary>Shells report a program that Ctrl-C ended with this.</summary>
    private const int Interrupted = 130;

    public static async Task<int> RunAsync(RootCommand root, string[] args)
    {
        var configuration = new InvocationConfiguration
        {
            EnableDefaultExceptionHandler = false,
            ProcessTerminationTimeout = null, // each command ends by its own cancellation, the server after its turns are stored
        };

        using var interrupted = new CancellationTokenSource();
        using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, signal => Cancel(signal, interrupted));
        using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, signal => Cancel(signal, interrupted));
        try
        {
            var arguments = root.Parse(args.Length == 0 ? ["--help"] : args);
            return arguments.Errors.Count > 0 ? await RefuseAsync(arguments) : await arguments.InvokeAsync(configuration, interrupted.Token);
        }
        catch (OperationCanceledException) when (interrupted.IsCancellationRequested)
        {
            return Interrupted;
        }
        catch (Exception exception) when (Explain(exception) is { } explanation)
        {
            await Console.Error.WriteLineAsync($"loire: {explanation.Message}");
            return explanation.ExitCode;
        }
    }

    private static async Task<int> RefuseAsync(ParseResult arguments)
    {
        foreach (var error in arguments.Errors)
        {
            await Console.Error.WriteLineAsync($"loire: {error.Message}");
        }

        var command = arguments.CommandResult.Command is RootCommand ? "loire" : $"loire {arguments.CommandResult.Command.Name}";
        await Console.Error.WriteLineAsync($"'{command} --help' says what it takes.");
        return 2;
    }

    /// <summary>The second signal is not held back: it ends the process at once.</summary>
    private static void Cancel(PosixSignalContext signal, CancellationTokenSource interrupted)
    {
        if (!interrupted.IsCancellationRequested)
        {
            signal.Cancel = true;
            interrupted.Cancel();
        }
    }

    /// <summary>The world's faults, in a sentence. Null: a defect of ours, which keeps its stack trace.</summary>
    private static (string Message, int ExitCode)? Explain(Exception exception) => exception switch
    {
        CommandFailedException failed => (failed.Message, failed.ExitCode),
        ModelFormatException or TokenizerFormatException or TemplateException => (exception.Message, 1),
        ApiException => ($"the server refuses: {exception.Message}", 1),
        HttpRequestException => ($"the server does not answer: {exception.Message}", 1),
        UnauthorizedAccessException or IOException or SocketException => (exception.Message, 1),
        RedisException => ($"Redis does not answer: {exception.Message}", 1),
        StoreException or TimeoutException => (exception.Message, 1),
        _ => null,
    };
}
