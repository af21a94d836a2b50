using Loire.Silo.Sessions;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Loire.Silo;

/// <summary>When the process stops: running turns get a bounded time to finish before grains, engines and store go.</summary>
internal sealed partial class TurnDrainer(TurnDrain drain, SiloOptions options, TimeProvider time, ILogger<TurnDrainer> logger) : IHostedService
{
    public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public async Task StopAsync(CancellationToken cancellationToken)
    {
        if (!await drain.DrainAsync(options.DrainTimeout, time, cancellationToken))
        {
            LogNotDrained(drain.Running);
        }
    }

    [LoggerMessage(LogLevel.Warning, "The silo stops with {Turns} turns that could not be cancelled in time")]
    private partial void LogNotDrained(int turns);
}
