using Loire.Store;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Loire.Silo;

/// <summary>Deletes from the store, every so often, what no session reaches and what has outlived its time.</summary>
internal sealed partial class StoreSweeper(ICheckpointStore store, SiloOptions options, TimeProvider time, ILogger<StoreSweeper> logger) : BackgroundService
{
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(options.SweepEvery, time);
        try
        {
            while (await timer.WaitForNextTickAsync(stoppingToken))
            {
                await SweepAsync(stoppingToken);
            }
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // The process stops.
        }
    }

    private async Task SweepAsync(CancellationToken stoppingToken)
    {
        try
        {
            var report = await store.SweepAsync(stoppingToken);
            LogSwept(report.BlobsDeleted, report.CheckpointsDeleted, report.TurnsDeleted, report.BytesFreed);
        }
        catch (StoreException fault)
        {
            LogNotSwept(fault.Message);
        }
    }

    [LoggerMessage(LogLevel.Debug, "Swept {Blobs} blobs, {Checkpoints} checkpoints and {Turns} turns: {Bytes} bytes are free again")]
    private partial void LogSwept(int blobs, int checkpoints, int turns, long bytes);

    [LoggerMessage(LogLevel.Warning, "The store could not be swept: {Fault}")]
    private partial void LogNotSwept(string fault);
}
