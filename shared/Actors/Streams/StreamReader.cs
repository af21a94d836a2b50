using Orleans.Runtime;

namespace Loire.Actors.Streams;

/// <summary>Reads a stream of a grain: pulls a batch when the last one is used up.</summary>
internal sealed class StreamReader<T>(StreamCall<T> call, CancellationToken cancellationToken) : IAsyncEnumerator<T>
{
    private readonly Guid _id = Guid.NewGuid();
    private StreamBatch<T> _batch;
    private int _index;
    private StreamPull<T>? _pull;
    private CancellationTokenRegistration _argument;
    private CancellationTokenRegistration _reader;
    private bool _started;
    private bool _disposed;

    public T Current => _index < _batch.Count
        ? _batch[_index]
        : throw new InvalidOperationException("There is no current item: MoveNextAsync was not called, or returned false.");

    public ValueTask<bool> MoveNextAsync()
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        if (_index + 1 < _batch.Count)
        {
            _index++;
            return new ValueTask<bool>(true);
        }

        if (_batch.Completed)
        {
            _index = _batch.Count;
            return new ValueTask<bool>(false);
        }

        return PullAsync();
    }

    public async ValueTask DisposeAsync()
    {
        if (_disposed)
        {
            return;
        }

        _disposed = true;
        await _argument.DisposeAsync();
        await _reader.DisposeAsync();
        if (!_started || _batch.Completed)
        {
            return;
        }

        try
        {
            await call.Reference.Runtime.SendAsync(call.Reference, new StreamEnd(_id));
        }
        catch (Exception exception) when (exception is OrleansException or TimeoutException or OperationCanceledException)
        {
            // The grain's own sweep ends what a reader could not.
        }
    }

    private async ValueTask<bool> PullAsync()
    {
        while (true)
        {
            call.ArgumentToken.ThrowIfCancellationRequested();
            cancellationToken.ThrowIfCancellationRequested();
            var pull = new StreamPull<T>(call, _id, first: !_started);
            var answer = pull.OpenAsTask();
            Volatile.Write(ref _pull, pull);
            if (!_started)
            {
                _started = true;
                _argument = Register(call.ArgumentToken);
                _reader = Register(cancellationToken);
            }

            call.Reference.Runtime.Send(call.Reference, pull);
            _batch = default;
            _batch = await answer;
            _index = 0;
            if (_batch.Count > 0)
            {
                return true;
            }

            if (_batch.Completed)
            {
                return false;
            }
        }
    }

    private CancellationTokenRegistration Register(CancellationToken token) =>
        token.UnsafeRegister(static (reader, token) => ((StreamReader<T>)reader!).Cancel(token), this);

    private void Cancel(CancellationToken token) => Volatile.Read(ref _pull)?.TryFail(new OperationCanceledException(token));
}
