using Loire.Silo.Cluster;
using Loire.Silo.Sessions;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Loire.Silo;

/// <summary>When the process stops: running turns get a bounded time to finish before grains, engines and store go; in a cluster they go on elsewhere at once.</summary>
/// <remarks>Before anything else stops: a web server in the same process waits for its streams to end, and would hold the drain up.</remarks>
internal sealed partial class TurnDrainer(
    TurnDrain drain, SiloSessions sessions, SiloOptions options, TimeProvider time, ILogger<TurnDrainer> logger) : IHostedLifecycleService
{
    public Task StartingAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StartedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public async Task StoppingAsync(CancellationToken cancellationToken)
    {
        if (options.IsClustered)
        {
            drain.Close();
            await Task.WhenAll(sessions.All.Select(session => session.LeaveAsync()));
        }

        if (!await drain.DrainAsync(options.DrainTimeout, time, cancellationToken))
        {
            LogNotDrained(drain.Running);
        }
    }

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StoppedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    [LoggerMessage(LogLevel.Warning, "The silo stops with {Turns} turns that could not be cancelled in time")]
    private partial void LogNotDrained(int turns);
}
