using System.Collections.Immutable;
using Loire.Contracts;
using Loire.Silo.Replicas;
using Loire.Store;

namespace Loire.Host.Tests;

/// <summary>A replica's turns behind the grain's interface, without the actor runtime.</summary>
internal sealed class LocalReplica(Func<ReplicaTurns> turns) : IReplicaGrain
{
    /// <summary>Streams that were opened and not closed.</summary>
    public int OpenStreams { get; private set; }

    public List<ReplicaTurn> Asked { get; } = [];

    /// <summary>What asking to cancel ends with.</summary>
    public Exception? CancelFault { get; set; }

    public Task LoadAsync() => Task.CompletedTask;

    public async IAsyncEnumerable<TurnEvent> GenerateAsync(
        ReplicaTurn turn, [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        Asked.Add(turn);
        OpenStreams++;
        try
        {
            await foreach (var item in turns().RunAsync(turn, cancellationToken))
            {
                yield return item;
            }
        }
        finally
        {
            OpenStreams--;
        }
    }

    public Task<bool> CancelAsync(string owner, string session, string turnId, bool passOn = false) =>
        CancelFault is { } fault ? Task.FromException<bool>(fault) : Task.FromResult(turns().Cancel(owner, session, turnId, passOn));

    public Task<ImmutableArray<bool>> AreResidentAsync(ImmutableArray<string> checkpoints) =>
        Task.FromResult<ImmutableArray<bool>>([.. checkpoints.Select(checkpoint => turns().Residents.IsResident(Digest.Parse(checkpoint)))]);

    public async Task<bool> ReleaseAsync(string checkpoint) => await turns().Residents.ReleaseAsync(Digest.Parse(checkpoint));

    public async Task<int> ReleaseAllAsync() => await turns().Residents.ReleaseIdleAsync(DateTimeOffset.MaxValue);

    public Task<StateReceipt> SendStateAsync(StateSending sending) => Task.FromResult(StateReceipt.Refused("There is no other replica."));

    public Task<StateReceipt> TakeStateAsync(StateOffering offering) => Task.FromResult(StateReceipt.Refused("There is no other replica."));

    public Task<ReplicaView> GetAsync() => Task.FromResult(new ReplicaView { Key = "bytes/0", Ready = true });
}
