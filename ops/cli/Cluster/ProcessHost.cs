using System.ComponentModel.DataAnnotations;
using Loire.Cli.Terminal;
using Loire.Contracts;
using Loire.Cuda;
using Loire.Store;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Orleans.Runtime;

namespace Loire.Cli.Cluster;

/// <summary>Runs a silo or gateway as a process: says when it is up, explains why it is not, ends on a signal.</summary>
internal static class ProcessHost
{
    public static void Log(ILoggingBuilder logging, bool verbose)
    {
        logging.ClearProviders().AddSimpleConsole(console =>
        {
            console.SingleLine = true;
            console.TimestampFormat = "HH:mm:ss.fff ";
        });
        logging.SetMinimumLevel(verbose ? LogLevel.Information : LogLevel.Warning);
        logging.AddFilter("Microsoft.Extensions.Hosting", LogLevel.Critical);
        logging.AddFilter("Microsoft.Hosting", LogLevel.Critical);
    }

    /// <summary>Starts, and returns when the process has been told to stop and has done so.</summary>
    /// <exception cref="CommandFailedException">It could not start, for a reason that the message names.</exception>
    public static async Task RunAsync(IHost host, string what, CancellationToken stopped)
    {
        try
        {
            await host.StartAsync(stopped);
        }
        catch (Exception fault) when (Explain(fault) is { } reason)
        {
            throw new CommandFailedException($"The {what} could not start. {reason}", inner: fault);
        }

        Console.WriteLine($"The {what} is up.");
        await host.WaitForShutdownAsync(stopped);
        Console.WriteLine($"The {what} has stopped.");
    }

    private static string? Explain(Exception fault) => fault switch
    {
        IOException { InnerException: AddressInUseException } => "Its port is in use: choose another by --port.",
        StoreException or ClusterException or ValidationException or OrleansException or FileNotFoundException or DirectoryNotFoundException or CudaException or CudaMissingException => fault.Message,
        System.Net.Sockets.SocketException => $"{fault.Message}: choose another port by --port.",
        _ => null,
    };
}
