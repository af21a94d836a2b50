using Loire.Contracts;
using Loire.Silo.Cluster;
using Loire.Silo.Operations;
using Loire.Silo.Placement;
using Loire.Silo.Replicas;
using Loire.Silo.Sessions;
using Loire.Telemetry;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Orleans;
using Orleans.Runtime;

namespace Loire.Silo;

/// <summary>Says every so often how much this silo carries, hears what others do, and hands sessions over when it is told to.</summary>
/// <remarks>When the cluster's grain does not answer, what was heard grows old: new sessions then go by their names alone, and none moves by itself.</remarks>
internal sealed partial class LoadExchange(
    IGrainFactory grains, ReplicaHost replicas, SiloSessions sessions, TurnDrain drain, SiloReadiness readiness, ClusterLoadTable table,
    SiloOptions options, ILocalSiloDetails silo, LoireMetrics metrics, TimeProvider time, ILogger<LoadExchange> logger)
    : BackgroundService
{
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        if (!options.IsClustered)
        {
            return;
        }

        using var timer = new PeriodicTimer(options.ReportLoadEvery, time);
        try
        {
            do
            {
                await ExchangeAsync(stoppingToken);
            }
            while (await timer.WaitForNextTickAsync(stoppingToken));
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // The process stops.
        }
    }

    /// <summary>What this silo carries now.</summary>
    private SiloLoad Read()
    {
        var loads = replicas.Loads;
        return new SiloLoad
        {
            Silo = silo.Name,
            Address = silo.SiloAddress.ToString(),
            Serves = !options.LendsOnly && readiness.Reason is null,
            Drains = drain.IsClosed,
            Slots = loads.Sum(load => load.Shape.Slots),
            Turns = loads.Sum(load => load.Load.Running + load.Load.Waiting),
            WaitingTurns = loads.Sum(load => load.Load.Waiting),
            Pages = loads.Sum(load => load.Shape.Pages),
            BusyPages = loads.Sum(load => Math.Max(0, load.Load.PagesInUse - load.Load.ResidentPages)),
            IdleSessions = sessions.All.Count(session => session.IsIdle),
        };
    }

    private async Task ExchangeAsync(CancellationToken stoppingToken)
    {
        try
        {
            var load = Read();
            sessions.Weight = LoadWeight.Of(load);
            var heard = await grains.GetGrain<IClusterGrain>(IClusterGrain.Key).ReportAsync(load).WaitAsync(options.ReportLoadEvery * 2, time, stoppingToken);
            table.Hear(heard);
            foreach (var order in heard.HandOvers)
            {
                await HandOverAsync(order, stoppingToken);
            }
        }
        catch (Exception silent) when (silent is OrleansException or TimeoutException or ClusterException)
        {
            LogNotHeard(silent.Message);
        }
    }

    /// <summary>One after the other: nobody waits for it, and steps go on beside it.</summary>
    private async Task HandOverAsync(HandOver order, CancellationToken stoppingToken)
    {
        var idle = sessions.All.Where(session => session.IsIdle && IsSettled(session)).OrderByDescending(session => session.LastTurnAt).Take(order.Idle);
        var running = sessions.All.Where(session => session.IsRunning && IsSettled(session)).Take(order.Running);
        var moved = 0;
        foreach (var session in idle.Concat(running).ToArray())
        {
            if (drain.IsClosed || stoppingToken.IsCancellationRequested)
            {
                return;
            }

            moved += await TryMoveAsync(session.Key, order.To) ? 1 : 0;
        }

        LogHandedOver(moved, order.To);
    }

    private async Task<bool> TryMoveAsync(string session, string to)
    {
        try
        {
            await grains.GetGrain<ISessionGrain>(session).MoveAsync(to);
            metrics.Moves.Balanced();
            sessions.CountHandedOver();
            return true;
        }
        catch (Exception fault) when (fault is OrleansException or TimeoutException or ClusterException)
        {
            LogNotHandedOver(session, to, fault.Message);
            return false;
        }
    }

    /// <summary>What has just come stays for a while, whatever the loads say.</summary>
    private bool IsSettled(SessionGrain session) => time.GetElapsedTime(session.ActivatedAt) >= options.RebalanceEvery;

    [LoggerMessage(LogLevel.Debug, "Loads were not exchanged: {Fault}")]
    private partial void LogNotHeard(string fault);

    [LoggerMessage(LogLevel.Information, "{Sessions} sessions have gone to silo {Silo} to even out the load")]
    private partial void LogHandedOver(int sessions, string silo);

    [LoggerMessage(LogLevel.Information, "Session {Session} did not go to silo {Silo}: {Fault}")]
    private partial void LogNotHandedOver(string session, string silo, string fault);
}
