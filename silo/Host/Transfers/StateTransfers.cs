using Loire.Contracts;
using Loire.Engine.Links;
using Loire.Engine.Replica;
using Loire.Engine.State;
using Loire.Silo.Links;
using Loire.Silo.Replicas;
using Loire.Silo.Sessions;
using Loire.Store;
using Loire.Telemetry;
using Microsoft.Extensions.Logging;

namespace Loire.Silo.Transfers;

/// <summary>States on their way from this silo to others and back, over tensor links.</summary>
/// <remarks>
/// <para>1. The sending replica copies the recurrent state, holds the pages, and makes both known under a name of their own; 2. it tells the
/// replica of the other silo; 3. that one dials, checks the head, reserves a place, and fetches what it does not have, piece by piece, each
/// against its checksum; 4. once the state is resident there, it is released here.</para>
/// <para>At every step the way back is the same: nothing is held, and the next turn reads the state from the store, where its checkpoint is.
/// So no outcome of a transfer is a failure of the move. A few states are on their way at once, in each direction; others wait for a
/// moment, and go through the store after that.</para>
/// <para>Called on the scheduler of the replica's grain.</para>
/// </remarks>
public sealed partial class StateTransfers(
    TensorLinks links, SiloOptions options, TurnDrain drain, LoireMetrics metrics, TimeProvider time, ILogger<StateTransfers> logger) : IDisposable
{
    private const int AtOnce = 4;

    private readonly SemaphoreSlim _sending = new(AtOnce);
    private readonly SemaphoreSlim _taking = new(AtOnce);

    /// <summary>Offers a resident state, and releases it when it has been taken.</summary>
    /// <param name="replica">That has it.</param>
    /// <param name="sending">Which state.</param>
    /// <param name="take">Asks the replica of the other silo to fetch it.</param>
    internal async Task<StateReceipt> SendAsync(LoadedReplica replica, StateSending sending, Func<StateOffering, Task<StateReceipt>> take)
    {
        var start = time.GetTimestamp();
        if (Find(replica, sending) is not { } resident)
        {
            return StateReceipt.Refused("It is not on the device.");
        }

        if (!await _sending.WaitAsync(options.TransferTimeout))
        {
            return Refused(resident, $"{AtOnce} other states were on their way for {options.TransferTimeout.TotalSeconds:0.#} s.");
        }

        try
        {
            var receipt = await OfferAsync(replica, resident, sending.MayEvict, take);
            if (!receipt.Taken)
            {
                return Refused(resident, receipt.Refusal ?? "The other silo did not say why.");
            }

            await replica.Turns.Residents.ReleaseAsync(resident.Address);
            metrics.Moves.Sent(receipt.Bytes);
            return receipt with { Milliseconds = time.GetElapsedTime(start).TotalMilliseconds };
        }
        catch (Exception fault)
        {
            return Refused(resident, fault.Message); // whatever it was: the state is in the store
        }
        finally
        {
            _sending.Release();
        }
    }

    /// <summary>Fetches an offered state into a replica of this silo.</summary>
    internal async Task<StateReceipt> TakeAsync(LoadedReplica replica, StateOffering offering)
    {
        if (drain.IsClosed || replica.IsLost)
        {
            return StateReceipt.Refused(drain.IsClosed ? "The silo drains." : "The replica has lost a part.");
        }

        if (!await _taking.WaitAsync(options.TransferTimeout))
        {
            return StateReceipt.Refused($"{AtOnce} other states were coming for {options.TransferTimeout.TotalSeconds:0.#} s.");
        }

        try
        {
            return await FetchAsync(replica, offering);
        }
        catch (Exception fault) when (fault is PartLostException or StateRefusedException or OperationCanceledException or ObjectDisposedException)
        {
            LogNotTaken(offering.Checkpoint, offering.Endpoint.Silo, fault.Message);
            return StateReceipt.Refused(fault is OperationCanceledException ? $"It took longer than {options.TransferTimeout.TotalSeconds:0.#} s." : fault.Message);
        }
        finally
        {
            _taking.Release();
        }
    }

    public void Dispose()
    {
        _sending.Dispose();
        _taking.Dispose();
    }

    private static ResidentState? Find(LoadedReplica replica, StateSending sending)
    {
        var residents = replica.Turns.Residents;
        if (sending.Checkpoint is { } checkpoint)
        {
            return Digest.TryParse(checkpoint, out var address) && residents.IsResident(address) ? residents.Find(address) : null;
        }

        var prefix = StateAddress.Of(replica.Model.Digest, new StateOwner(sending.Owner), sending.Tokens.AsSpan(), StateShape.PageTokens);
        return residents.FindLongest(prefix, prefix.TokenCount);
    }

    private async Task<StateReceipt> OfferAsync(LoadedReplica replica, ResidentState resident, bool mayEvict, Func<StateOffering, Task<StateReceipt>> take)
    {
        var checkpoint = resident.Address.ToString();
        if (StateHead.Of(resident, replica.Engine.Shape.State) is not { } head)
        {
            return StateReceipt.Refused("The store does not know all of it.");
        }

        using var deadline = new CancellationTokenSource(options.TransferTimeout, time);
        if (await replica.Engine.SnapshotAsync(checkpoint, deadline.Token) is not { } snapshot)
        {
            return StateReceipt.Refused("It is not on the device any more.");
        }

        var name = $"state:{Guid.NewGuid():n}";
        var endpoint = links.Add(name, new StateOffer(head.ToBytes(), snapshot));
        try
        {
            return endpoint.Address is null
                ? StateReceipt.Refused("This silo takes no tensor links.")
                : await take(new StateOffering { Checkpoint = checkpoint, Tokens = resident.Tokens, Endpoint = endpoint, MayEvict = mayEvict })
                    .WaitAsync(options.TransferTimeout * 2, time);
        }
        finally
        {
            await Task.Run(() => links.Close(name)); // waits for the thread that reads the snapshot
        }
    }

    private async Task<StateReceipt> FetchAsync(LoadedReplica replica, StateOffering offering)
    {
        var (start, shape) = (time.GetTimestamp(), replica.Engine.Shape.State);
        using var deadline = new CancellationTokenSource(options.TransferTimeout, time);
        using var link = await Task.Run(() => links.State(offering.Endpoint, options.TransferTimeout), deadline.Token);
        var head = StateHead.Parse(link.Head.Span);
        head.RequireMatch(replica.Model.Digest, offering.Checkpoint, shape);
        var lender = replica.Turns.Residents.FindLender(head.Prefix);
        var (fetched, sharedPages) = (0L, 0);
        var restore = new StateRestore(head.Prefix.TokenCount, (target, cancellationToken) =>
        {
            sharedPages = target.FromPage;
            fetched = link.Read(target, head.Check, cancellationToken);
            return ValueTask.CompletedTask;
        });
        var adoption = new StateAdoption(offering.Checkpoint, restore, lender?.Lender.Address.ToString(), lender?.Pages ?? 0, offering.MayEvict);
        if (!await replica.Engine.AdoptAsync(adoption, deadline.Token))
        {
            return StateReceipt.Refused("There is no room for it.");
        }

        replica.Turns.Residents.Add(new ResidentState(
            head.Prefix.Owner, Digest.Parse(offering.Checkpoint), head.Prefix.TokenCount, head.Blobs(shape), head.Prefix, time.GetUtcNow()));
        var milliseconds = time.GetElapsedTime(start).TotalMilliseconds;
        var shared = sharedPages * StateShape.PageTokens * shape.BytesPerToken;
        metrics.Moves.Taken(fetched, shared, milliseconds);
        return new StateReceipt { Taken = true, Bytes = fetched, WireBytes = link.BytesReceived, SharedBytes = shared, Milliseconds = milliseconds };
    }

    private StateReceipt Refused(ResidentState state, string why)
    {
        metrics.Moves.Refused();
        LogNotSent(state.Address, why);
        return StateReceipt.Refused(why);
    }

    [LoggerMessage(LogLevel.Information, "State {Checkpoint} does not go over a link, and is read from the store: {Why}")]
    private partial void LogNotSent(Digest checkpoint, string why);

    [LoggerMessage(LogLevel.Warning, "State {Checkpoint} that silo {Silo} offers was not taken: {Fault}")]
    private partial void LogNotTaken(string checkpoint, string silo, string fault);
}
