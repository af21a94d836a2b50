using Loire.Contracts;

namespace Loire.Gateway;

/// <summary>The events of one turn, whatever silos it runs on: when one is lost, the turn goes on elsewhere after the tokens that were delivered.</summary>
/// <remarks>
/// 1. Tokens are remembered as they are handed out; a client sees each exactly once.
/// 2. When the stream breaks, the session is called again, wherever it is by then, and given those tokens.
/// 3. It restores its newest state, replays what came after, and the next event is the next token.
/// </remarks>
internal sealed class TurnFeed(ISessionGrain session, TurnRequest request, Failover failover, CancellationToken cancellationToken) : IAsyncEnumerator<TurnEvent>
{
    private readonly List<int> _delivered = [];
    private IAsyncEnumerator<TurnEvent>? _events;
    private bool _started;
    private bool _restDelivered;
    private bool _finished;

    public TurnEvent Current { get; private set; } = null!; // read after MoveNextAsync, as with every enumerator

    public async ValueTask<bool> MoveNextAsync()
    {
        Failover.Outage? outage = null;
        while (!_finished)
        {
            try
            {
                _events ??= Open();
                if (!await _events.MoveNextAsync())
                {
                    throw new ClusterException(FailureCode.ReplicaLost, $"The stream of turn '{request.TurnId}' ended before the turn did.");
                }

                if (Take(_events.Current))
                {
                    outage?.End();
                    return true;
                }
            }
            catch (Exception fault) when (Failover.IsPassing(fault, _started) && !cancellationToken.IsCancellationRequested)
            {
                outage ??= failover.Begin();
                await CloseAsync();
                await outage.WaitAsync(fault, cancellationToken);
            }
        }

        return false;
    }

    public ValueTask DisposeAsync() => CloseAsync();

    private IAsyncEnumerator<TurnEvent> Open() => session
        .RunTurnAsync(_delivered.Count == 0 ? request : request with { Delivered = [.. _delivered] }, cancellationToken)
        .GetAsyncEnumerator(cancellationToken);

    /// <summary>False: the client has it already.</summary>
    private bool Take(TurnEvent item)
    {
        switch (item)
        {
            case { Kind: TurnEventKind.Started }:
                if (_started)
                {
                    return false;
                }

                _started = true;
                break;
            case { Chunk: { Tokens.Length: > 0 } chunk }:
                _delivered.AddRange(chunk.Tokens);
                break;
            case { Chunk: not null }: // text without a token: what was held back, at the end of the turn
                if (_restDelivered)
                {
                    return false;
                }

                _restDelivered = true;
                break;
            case { Kind: TurnEventKind.Finished }:
                _finished = true;
                break;
        }

        Current = item;
        return true;
    }

    private async ValueTask CloseAsync()
    {
        if (_events is { } events)
        {
            _events = null;
            try
            {
                await events.DisposeAsync();
            }
            catch (Exception fault) when (Failover.IsPassing(fault, started: true))
            {
                // Its silo is gone, and with it what was to be told to end.
            }
        }
    }
}
