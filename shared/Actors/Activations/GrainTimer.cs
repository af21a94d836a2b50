using Loire.Actors.Calls;
using Orleans.Runtime;

namespace Loire.Actors;

/// <summary>A timer whose callbacks go through the mailbox like calls. The next one is due a period after the last one ended.</summary>
internal sealed class GrainTimer : IGrainTimer
{
    private readonly Activation _activation;
    private readonly Func<CancellationToken, Task> _callback;
    private readonly GrainTimerCreationOptions _options;
    private readonly CancellationTokenSource _stop = new();
    private readonly ITimer _timer;
    private TimeSpan _period;
    private bool _changed;
    private int _pending;
    private bool _disposed;

    private GrainTimer(Activation activation, Func<CancellationToken, Task> callback, GrainTimerCreationOptions options)
    {
        _activation = activation;
        _callback = callback;
        _options = options;
        _period = options.Period;
        using var _ = ExecutionContext.IsFlowSuppressed() ? null : new FlowSuppression();
        _timer = activation.Runtime.Time.CreateTimer(static timer => ((GrainTimer)timer!).Fire(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
    }

    public static IGrainTimer Register(Activation activation, Func<CancellationToken, Task> callback, GrainTimerCreationOptions options)
    {
        var timer = new GrainTimer(activation, callback, options);
        activation.Add(timer);
        timer._timer.Change(options.DueTime, Timeout.InfiniteTimeSpan);
        return timer;
    }

    public void Change(TimeSpan dueTime, TimeSpan period)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        _period = period;
        _changed = true;
        _timer.Change(dueTime, Timeout.InfiniteTimeSpan);
    }

    public void Dispose()
    {
        if (_disposed)
        {
            return;
        }

        _disposed = true;
        _activation.Remove(this);
        _timer.Dispose();
        _stop.Cancel();
    }

    private void Fire()
    {
        // One callback at a time: a due time set by Change may come while one still runs.
        if (_disposed || Interlocked.Exchange(ref _pending, 1) == 1)
        {
            return;
        }

        var tick = new Tick(this);
        tick.OpenOneWay();
        tick.Target = _activation.GrainReference;
        if (!_activation.TryReceive(tick))
        {
            tick.LetGo();
        }
    }

    private async Task RunAsync()
    {
        try
        {
            if (!_disposed)
            {
                _changed = false;
                await _callback(_stop.Token);
            }
        }
        catch (Exception exception) when (!_disposed)
        {
            _activation.Runtime.Log.TimerFailed(exception, _activation.GrainId);
        }
        catch (OperationCanceledException)
        {
            // The timer was disposed while its callback ran.
        }
        finally
        {
            Interlocked.Exchange(ref _pending, 0);
            if (!_disposed && !_changed && _period != Timeout.InfiniteTimeSpan)
            {
                _timer.Change(_period, Timeout.InfiniteTimeSpan);
            }
        }
    }

    private sealed class FlowSuppression : IDisposable
    {
        private AsyncFlowControl _flow = ExecutionContext.SuppressFlow();

        public void Dispose() => _flow.Undo();
    }

    private sealed class Tick(GrainTimer timer) : VoidRequest
    {
        private static readonly MethodDescriptor Exclusive = Describe(CallOptions.OneWay);
        private static readonly MethodDescriptor Interleaved = Describe(CallOptions.OneWay | CallOptions.AlwaysInterleave);

        public override MethodDescriptor Method => timer._options.Interleave ? Interleaved : Exclusive;

        internal override bool IsBounded => false;

        internal override bool IsFiltered => false;

        internal override bool KeepsAlive => timer._options.KeepAlive;

        protected override ValueTask InvokeVoid(object target) => new(timer.RunAsync());

        protected override void Recycle()
        {
        }

        private static MethodDescriptor Describe(CallOptions options) => new(typeof(IGrainTimer), "timer", "Tick", "Tick", options, null, []);
    }
}
