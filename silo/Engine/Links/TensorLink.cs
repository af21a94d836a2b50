using System.Net;
using System.Net.Sockets;

namespace Loire.Engine.Links;

/// <summary>The asking end of a link to one part: requests of several threads are in flight at once, and whoever waits for an answer reads the socket for all.</summary>
/// <remarks>
/// There is no thread between the socket and the one that waits, so an answer costs no change of threads.
/// The first failure ends the link: every request that waits, and every later one, fails with <see cref="PartLostException"/>.
/// </remarks>
internal sealed class TensorLink : IDisposable
{
    private const int MaxInFlight = 64; // a power of two: the low bits of a request's number are its place

    private readonly FrameSocket _socket;
    private readonly LinkOptions _options;
    private readonly Request[] _places = new Request[MaxInFlight];
    private readonly Stack<int> _free = new(Enumerable.Range(0, MaxInFlight).Reverse());
    private readonly PinnedBuffers _buffers = new(kept: 8);
    private readonly Lock _sending = new();
    private readonly object _gate = new();
    private uint _requests;
    private bool _reading;
    private PartLostException? _failure;

    private TensorLink(PartEndpoint part, FrameSocket socket, LinkOptions options)
    {
        Part = part;
        _socket = socket;
        _options = options;
    }

    public PartEndpoint Part { get; }

    public long BytesSent => _socket.BytesSent;

    public long BytesReceived => _socket.BytesReceived;

    public long Requests => Volatile.Read(ref _requests);

    /// <summary>Connects and proves itself.</summary>
    /// <exception cref="PartLostException">The silo is not there, or the secrets differ.</exception>
    public static TensorLink Dial(PartEndpoint part, LinkOptions options)
    {
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
        try
        {
            Connect(socket, IPEndPoint.Parse(part.Address), options.ConnectTimeout);
            var frames = new FrameSocket(socket) { Patience = options.ConnectTimeout };
            LinkHandshake.Dial(frames, options.Secret);
            frames.Patience = options.AnswerTimeout;
            return new TensorLink(part, frames, options);
        }
        catch (Exception fault) when (fault is IOException or SocketException or FormatException)
        {
            socket.Dispose();
            throw new PartLostException(part, $"no link could be opened. {fault.Message}", fault);
        }
    }

    /// <summary>A buffer for the next request.</summary>
    public PinnedBuffer Rent() => _buffers.Rent();

    /// <summary>After an answer has been read.</summary>
    public void Return(PinnedBuffer answer) => _buffers.Return(answer);

    /// <summary>Sends a request and does not wait. Waits for room when too many are in flight.</summary>
    /// <param name="kind">Of the request.</param>
    /// <param name="payload">Rented; the link's from here on.</param>
    /// <returns>The number to call <see cref="Wait"/> with, exactly once.</returns>
    public uint Send(FrameKind kind, PinnedBuffer payload)
    {
        var number = Take(payload);
        try
        {
            lock (_sending)
            {
                _socket.Send(payload, kind, number);
            }
        }
        catch (Exception fault) when (fault is IOException or SocketException or ObjectDisposedException)
        {
            Fail(fault);
        }
        finally
        {
            _buffers.Return(payload);
        }

        return number;
    }

    /// <summary>The answer of a request, to be returned to <see cref="Return"/>.</summary>
    /// <exception cref="PartLostException">The link or the part has failed.</exception>
    public PinnedBuffer Wait(uint number)
    {
        var request = _places[number % MaxInFlight];
        if (BecomeReader(request))
        {
            try
            {
                ReadUntil(request);
            }
            catch (Exception fault) when (fault is IOException or SocketException or ObjectDisposedException)
            {
                Fail(fault);
            }
            finally
            {
                StopReading();
            }
        }

        return Finish(number, request);
    }

    /// <summary>Sends what is not answered, in order with everything else. Waits while the other end is behind.</summary>
    /// <exception cref="PartLostException">The link has failed.</exception>
    public void Post(FrameKind kind, PinnedBuffer payload)
    {
        try
        {
            lock (_sending)
            {
                _socket.Send(payload, kind, request: 0);
            }
        }
        catch (Exception fault) when (fault is IOException or SocketException or ObjectDisposedException)
        {
            Fail(fault);
            throw new PartLostException(Part, fault.Message, fault);
        }
        finally
        {
            _buffers.Return(payload);
        }
    }

    public PinnedBuffer Ask(FrameKind kind, PinnedBuffer payload) => Wait(Send(kind, payload));

    /// <summary>Closes the link; those that wait fail.</summary>
    public void Dispose() => Fail(new IOException("the link was closed"));

    private uint Take(PinnedBuffer payload)
    {
        lock (_gate)
        {
            while (_failure is null && _free.Count == 0)
            {
                Monitor.Wait(_gate);
            }

            if (_failure is { } failure)
            {
                _buffers.Return(payload);
                throw new PartLostException(Part, failure.Message, failure);
            }

            var place = _free.Pop();
            var number = (((_requests++) * MaxInFlight) & 0x7FFF_FFFF) | (uint)place;
            _places[place] ??= new Request();
            _places[place].Begin(number);
            return number;
        }
    }

    /// <summary>True: the caller reads the socket from here on. False: its answer is there, or there will be none.</summary>
    private bool BecomeReader(Request request)
    {
        lock (_gate)
        {
            while (true)
            {
                if (request.IsDone || _failure is not null)
                {
                    return false;
                }

                if (!_reading)
                {
                    return _reading = true;
                }

                Monitor.Wait(_gate);
            }
        }
    }

    private void ReadUntil(Request own)
    {
        while (!own.IsDone)
        {
            var answer = _buffers.Rent();
            try
            {
                var head = _socket.Receive(answer, _options.MaxFrameBytes);
                Deliver(head, answer, own);
            }
            catch
            {
                _buffers.Return(answer);
                throw;
            }
        }
    }

    private void Deliver(FrameHead head, PinnedBuffer answer, Request own)
    {
        if (head.Kind is not (FrameKind.Answer or FrameKind.Failure))
        {
            throw new FrameException($"An answer was expected, and a frame of kind {head.Kind} came.");
        }

        lock (_gate)
        {
            var request = _places[head.Request % MaxInFlight];
            if (request is null || !request.TryFinish(head, answer))
            {
                throw new FrameException($"An answer came for request {head.Request}, which nobody has made.");
            }

            if (request != own)
            {
                Monitor.PulseAll(_gate);
            }
        }
    }

    private void StopReading()
    {
        lock (_gate)
        {
            _reading = false;
            Monitor.PulseAll(_gate);
        }
    }

    private PinnedBuffer Finish(uint number, Request request)
    {
        lock (_gate)
        {
            var (answer, isFailure) = request.End();
            _free.Push((int)(number % MaxInFlight));
            Monitor.PulseAll(_gate);
            if (answer is null)
            {
                var failure = _failure!; // a request without an answer has waited for the link's end
                throw new PartLostException(Part, failure.Message, failure);
            }

            if (!isFailure)
            {
                return answer;
            }

            var message = System.Text.Encoding.UTF8.GetString(answer.Payload);
            _buffers.Return(answer);
            throw new PartLostException(Part, message);
        }
    }

    private void Fail(Exception fault)
    {
        lock (_gate)
        {
            _failure ??= fault as PartLostException ?? new PartLostException(Part, fault.Message, fault);
            Monitor.PulseAll(_gate);
        }

        _socket.Dispose(); // wakes the one that reads
    }

    /// <summary>One place of the table. Under the link's gate, but for <see cref="IsDone"/>.</summary>
    private sealed class Request
    {
        private uint _number;
        private bool _isOpen;
        private bool _isFailure;
        private PinnedBuffer? _answer;

        public bool IsDone => Volatile.Read(ref _answer) is not null;

        public void Begin(uint number)
        {
            _number = number;
            _isOpen = true;
        }

        public bool TryFinish(FrameHead head, PinnedBuffer answer)
        {
            if (!_isOpen || _number != head.Request)
            {
                return false;
            }

            _isOpen = false;
            _isFailure = head.Kind == FrameKind.Failure;
            Volatile.Write(ref _answer, answer);
            return true;
        }

        public (PinnedBuffer? Answer, bool IsFailure) End()
        {
            var answer = _answer;
            _answer = null;
            _isOpen = false;
            return (answer, _isFailure);
        }
    }

    /// <summary>Never by the socket's asynchronous half: it would take the shorter blocking path away from every later call.</summary>
    private static void Connect(Socket socket, IPEndPoint target, TimeSpan patience)
    {
        using var deadline = new CancellationTokenSource(patience);
        using var late = deadline.Token.Register(socket.Dispose);
        try
        {
            socket.Connect(target);
        }
        catch (Exception fault) when (deadline.IsCancellationRequested && fault is SocketException or ObjectDisposedException)
        {
            throw new IOException($"Nobody answered within {patience.TotalSeconds:0.#} s.", fault);
        }
    }
}
