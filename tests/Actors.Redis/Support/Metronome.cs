using System.Diagnostics;

namespace Loire.Redis.Tests;

/// <summary>Measures how much time a busy machine withheld from this process, so that a promise in milliseconds can be tested beside other work.</summary>
/// <remarks>It ticks as the product does, by a timer and on the pool. What a tick comes late is time in which nothing that was due could run.</remarks>
internal sealed class Metronome : IAsyncDisposable
{
    private static readonly TimeSpan Beat = TimeSpan.FromMilliseconds(10);

    /// <summary>How late a tick is where nothing else runs.</summary>
    private static readonly TimeSpan Usual = TimeSpan.FromMilliseconds(5);

    private readonly CancellationTokenSource _stop = new();
    private readonly Task _ticking;
    private readonly long _start = Stopwatch.GetTimestamp();
    private long _withheldTicks;

    public Metronome() => _ticking = Task.Run(TickAsync);

    /// <summary>Since the start.</summary>
    public TimeSpan Elapsed => Stopwatch.GetElapsedTime(_start);

    /// <summary>Since the start, without what the machine withheld.</summary>
    public TimeSpan Given => Elapsed - TimeSpan.FromTicks(Interlocked.Read(ref _withheldTicks));

    public override string ToString() =>
        $"{Elapsed.TotalMilliseconds:0} ms, of which the machine withheld {TimeSpan.FromTicks(Interlocked.Read(ref _withheldTicks)).TotalMilliseconds:0}";

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _ticking;
        _stop.Dispose();
    }

    private async Task TickAsync()
    {
        while (!_stop.IsCancellationRequested)
        {
            var before = Stopwatch.GetTimestamp();
            await Task.Delay(Beat, _stop.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            var late = Stopwatch.GetElapsedTime(before) - Beat;
            if (late > Usual)
            {
                Interlocked.Add(ref _withheldTicks, late.Ticks);
            }
        }
    }
}
