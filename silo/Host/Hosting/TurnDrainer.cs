using Loire.Silo.Cluster;
using Loire.Silo.Links;
using Loire.Silo.Sessions;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Loire.Silo;

/// <summary>When the process stops: running turns get a bounded time to finish before grains, engines and store go; in a cluster they go on elsewhere at once.</summary>
/// <remarks>Before anything else stops: a web server in the same process waits for its streams to end, and would hold the drain up.</remarks>
internal sealed partial class TurnDrainer(
    TurnDrain drain, SiloSessions sessions, LentShards lent, SiloOptions options, TimeProvider time, ILogger<TurnDrainer> logger) : IHostedLifecycleService
{
    /// <summary>Sessions that leave at the same time. More than states that travel at once, since most have none.</summary>
    private const int AtOnce = 16;

    public Task StartingAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StartedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public async Task StoppingAsync(CancellationToken cancellationToken)
    {
        if (options.IsClustered)
        {
            drain.Close();
            await Task.WhenAll(LeaveAsync(), lent.LeaveAsync());
        }

        if (!await drain.DrainAsync(options.DrainTimeout, time, cancellationToken))
        {
            LogNotDrained(drain.Running);
        }
    }

    /// <summary>Running turns first: somebody waits for them.</summary>
    private Task LeaveAsync() => Parallel.ForEachAsync(
        sessions.All.OrderByDescending(session => session.IsRunning),
        new ParallelOptions { MaxDegreeOfParallelism = AtOnce },
        async (session, _) =>
        {
            try
            {
                await session.LeaveAsync();
            }
            catch (Exception fault)
            {
                LogNotLeft(session.Key, fault.Message); // the others go on; this one goes when its grain ends
            }
        });

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StoppedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    [LoggerMessage(LogLevel.Warning, "Session {Session} could not leave before its silo stops: {Fault}")]
    private partial void LogNotLeft(string session, string fault);

    [LoggerMessage(LogLevel.Warning, "The silo stops with {Turns} turns that could not be cancelled in time")]
    private partial void LogNotDrained(int turns);
}
