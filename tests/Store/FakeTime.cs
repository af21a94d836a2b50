namespace Loire.Store.Tests;

/// <summary>A clock that moves when told to, and by <paramref name="step"/> with each look.</summary>
internal sealed class FakeTime(TimeSpan step = default) : TimeProvider
{
    private long _ticks = new DateTimeOffset(2030, 1, 2, 3, 4, 5, TimeSpan.Zero).Ticks;

    public override DateTimeOffset GetUtcNow() => new(Interlocked.Add(ref _ticks, step.Ticks), TimeSpan.Zero);

    public void Advance(TimeSpan by) => Interlocked.Add(ref _ticks, by.Ticks);
}
