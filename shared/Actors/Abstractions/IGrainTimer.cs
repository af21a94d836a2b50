using System.Diagnostics.CodeAnalysis;

namespace Orleans.Runtime;

/// <summary>A timer of one activation; it ends with it.</summary>
public interface IGrainTimer : IDisposable
{
    /// <summary>Sets when the next callback is due, and the period after it.</summary>
    void Change(TimeSpan dueTime, TimeSpan period);
}

/// <summary>When a grain timer calls back, and how its callbacks mix with calls.</summary>
public readonly struct GrainTimerCreationOptions()
{
    /// <summary>A timer whose callbacks are turns like any call.</summary>
    [SetsRequiredMembers]
    public GrainTimerCreationOptions(TimeSpan dueTime, TimeSpan period)
        : this()
    {
        DueTime = dueTime;
        Period = period;
    }

    /// <summary>From now to the first callback; <see cref="Timeout.InfiniteTimeSpan"/> for never.</summary>
    public required TimeSpan DueTime { get; init; }

    /// <summary>From the end of one callback to the start of the next; <see cref="Timeout.InfiniteTimeSpan"/> for once only.</summary>
    public required TimeSpan Period { get; init; }

    /// <summary>Whether a callback may start at an await of a running call.</summary>
    public bool Interleave { get; init; }

    /// <summary>Whether a callback counts as use and keeps the grain from being collected for being idle.</summary>
    public bool KeepAlive { get; init; }
}
