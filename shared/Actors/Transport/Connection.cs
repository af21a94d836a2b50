using Loire.Actors.Calls;
using Orleans.Runtime;

namespace Loire.Actors.Transport;

/// <summary>One connection to another process, after its handshake. Calls go out on it, and their answers come back on it.</summary>
/// <remarks>
/// Parts: <c>Send</c> writes frames, <c>Receive</c> reads them, <c>Calls</c> knows the calls that are on their way.
/// One lock guards all of it; nothing is written, encoded or run under it.
/// </remarks>
[System.Diagnostics.CodeAnalysis.SuppressMessage("Design", "CA1001", Justification = "Close ends it; the source has no timer and no wait handle.")]
internal sealed partial class Connection
{
    private readonly Lock _lock = new();
    private readonly CancellationTokenSource _stop = new();
    private readonly SiloRuntime _runtime;
    private readonly ByteChannel _channel;
    private readonly TransportOptions _options;
    private readonly bool _isDialled;
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private Exception? _closed;
    private bool _isLeaving;

    public Connection(SiloRuntime runtime, ByteChannel channel, TransportOptions options, SiloAddress peer, bool isDialled)
    {
        _runtime = runtime;
        _channel = channel;
        _options = options;
        _isDialled = isDialled;
        Peer = peer;
    }

    /// <summary>The process at the other end.</summary>
    public SiloAddress Peer { get; }

    public bool IsOpen => Volatile.Read(ref _closed) is null;

    /// <summary>Whether new calls may be sent: the connection is open, and the other side has not said goodbye.</summary>
    public bool TakesCalls => IsOpen && !_isLeaving;

    /// <summary>Whether the other side has said goodbye.</summary>
    public bool IsLeaving => Volatile.Read(ref _isLeaving);

    /// <summary>Called once, when the connection has closed.</summary>
    public Action<Connection>? Closed { get; set; }

    /// <summary>Starts to read.</summary>
    public void Start() => _ = Task.Run(ReceiveAsync);

    /// <summary>Closes the connection: calls that were sent fail, calls that were not are routed again.</summary>
    public void Close(Exception reason)
    {
        List<Request> sent;
        var unsent = new List<Request>();
        lock (_lock)
        {
            if (_closed is not null)
            {
                return;
            }

            _closed = reason;
            sent = [.. _calls.Values];
            _calls.Clear();
            _answering.Clear();
            _idle?.TrySetResult();
            while (_waiting.First is { } request)
            {
                _waiting.Remove(request);
                unsent.Add(request);
            }
        }

        _drained?.TrySetResult();
        _stop.Cancel();
        _channel.Dispose();
        foreach (var request in sent)
        {
            request.TryFail(new SiloUnavailableException($"{request} was sent to silo {Peer}, and the connection broke before the answer: {reason.Message}", reason));
            request.LetGo();
        }

        foreach (var request in unsent)
        {
            _runtime.Unreachable(request, Peer, reason);
        }

        Closed?.Invoke(this);
        _ended.TrySetResult();
    }
}
