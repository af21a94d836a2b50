using System.Net;
using System.Net.Sockets;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Orleans.Dashboard;
using Orleans.Hosting;
using Orleans.Serialization;

namespace Loire.Silo;

/// <summary>What a silo asks of its actor runtime beyond the API that both have in common: here of Microsoft Orleans.</summary>
internal static class SiloRuntime
{
    /// <summary>The only silo of its cluster. It listens for others on a free port of the loopback interface, since Orleans wants one, and for clients nowhere.</summary>
    public static void StandAlone(ISiloBuilder silo)
    {
        silo.UseLocalhostClustering(FreePort(), gatewayPort: 0);
        // Advice for servers, which this process is not, and an alarm that the watchdog gives at its first look, when nothing can have been late.
        silo.Services.AddLogging(logging => logging.AddFilter("Orleans.Runtime.Silo", LogLevel.Error).AddFilter("Orleans.Runtime.Watchdog", LogLevel.Error));
    }

    /// <summary>Collects what the dashboard shows, and lets our own exceptions travel as those of .NET do: a failure tells its caller what caused it.</summary>
    public static void Equip(ISiloBuilder silo) => silo
        .AddDashboard()
        .Configure<ExceptionSerializationOptions>(options => options.SupportedNamespacePrefixes.Add(nameof(Loire)));

    private static int FreePort()
    {
        using var probe = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        probe.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        return ((IPEndPoint)probe.LocalEndPoint!).Port; // bound, so it has one
    }
}
