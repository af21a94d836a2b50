using Loire.Actors.Streams;
using Orleans.Runtime;

namespace Loire.Actors;

internal sealed partial class Activation
{
    private readonly Dictionary<Guid, Enumeration> _streams = [];

    public Enumeration<T> StartStream<T>(StreamCall<T> call, Guid id, object target)
    {
        var enumeration = new Enumeration<T>(this, call, id, target);
        lock (_lock)
        {
            _streams.Add(id, enumeration);
        }

        return enumeration;
    }

    public Enumeration<T> FindStream<T>(Guid id)
    {
        lock (_lock)
        {
            return _streams.GetValueOrDefault(id) as Enumeration<T>
                ?? throw new EnumerationAbortedException(
                    $"{GrainId} has no such stream: its activation ended, or the reader did not come back within {Runtime.AbandonedAfter}. Read it again from the start.");
        }
    }

    public void ForgetStream(Guid id)
    {
        lock (_lock)
        {
            _streams.Remove(id);
        }
    }

    public Task EndStreamAsync(Guid id)
    {
        Enumeration? enumeration;
        lock (_lock)
        {
            _streams.Remove(id, out enumeration);
        }

        return enumeration?.EndAsync() ?? Task.CompletedTask;
    }

    /// <summary>Keeps readers that wait alive, and ends the streams of readers that are gone.</summary>
    public void SweepStreams(long now)
    {
        List<Guid>? abandoned = null;
        lock (_lock)
        {
            foreach (var (id, enumeration) in _streams)
            {
                if (enumeration.Sweep(now))
                {
                    (abandoned ??= []).Add(id);
                }
            }
        }

        foreach (var id in abandoned ?? [])
        {
            Runtime.Log.StreamAbandoned(GrainId, Runtime.AbandonedAfter);
            Post(() => EndStreamAsync(id));
        }
    }

    private async Task EndStreamsAsync(CancellationToken cancellationToken)
    {
        Enumeration[] streams;
        lock (_lock)
        {
            streams = [.. _streams.Values];
            _streams.Clear();
        }

        foreach (var stream in streams)
        {
            await CallAsync("stream", token => stream.EndAsync().WaitAsync(token), cancellationToken);
        }
    }
}
