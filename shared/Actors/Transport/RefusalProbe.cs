using System.Net.Sockets;
using Orleans.Runtime;

namespace Loire.Actors.Transport;

/// <summary>Looks whether anybody still listens where a connection has just broken: the system refuses for a process that has ended, at once.</summary>
internal sealed class RefusalProbe(SiloRuntime runtime, IRefusedSilos? told)
{
    private const int Refusals = 2; // in a row, so that no single one decides
    private const int Looks = 6; // a process that ends may still listen when its connections have broken

    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(20);

    /// <summary>Looks, if anybody wants to know, and the silo has not said that it goes.</summary>
    public void Look(Connection broken, CancellationToken stopping)
    {
        if (told is not null && !stopping.IsCancellationRequested && !broken.IsLeaving && runtime.Membership.CurrentSnapshot.GetSiloStatus(broken.Peer) == SiloStatus.Active)
        {
            _ = LookAsync(told, broken.Peer, stopping);
        }
    }

    private async Task LookAsync(IRefusedSilos told, SiloAddress silo, CancellationToken stopping)
    {
        try
        {
            var refusals = 0;
            for (var look = 0; look < Looks; look++)
            {
                refusals = await IsRefusedAsync(silo, stopping).ConfigureAwait(false) ? refusals + 1 : 0;
                if (refusals == Refusals)
                {
                    told.Refused(silo);
                    return;
                }

                if (refusals == 0)
                {
                    await Task.Delay(Pause, runtime.Time, stopping).ConfigureAwait(false);
                }
            }
        }
        catch (OperationCanceledException)
        {
            // This process stops, or nobody answers there at all: that is for the lease.
        }
    }

    private async Task<bool> IsRefusedAsync(SiloAddress silo, CancellationToken stopping)
    {
        using var socket = new Socket(silo.Endpoint.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        using var clock = new CancellationTokenSource(runtime.Transport.ConnectTimeout, runtime.Time);
        using var timeout = CancellationTokenSource.CreateLinkedTokenSource(clock.Token, stopping);
        try
        {
            await socket.ConnectAsync(silo.Endpoint, timeout.Token).ConfigureAwait(false);
            return false;
        }
        catch (SocketException exception)
        {
            return exception.SocketErrorCode == SocketError.ConnectionRefused;
        }
    }
}
