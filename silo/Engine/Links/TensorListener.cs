using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using Loire.Engine.Backends.Cpu;
using Loire.Engine.Backends.Cpu.Links;
using Loire.Engine.Replica;

namespace Loire.Engine.Links;

/// <summary>The answering end of tensor links: the parts of this process that other silos use, and a thread for each link to them.</summary>
/// <remarks>Serves at most <see cref="LinkOptions.MaxLinks"/> links; a further one is closed at once, and its silo finds the part lost.</remarks>
public sealed class TensorListener : IDisposable
{
    private readonly Socket _socket;
    private readonly LinkOptions _options;
    private readonly ConcurrentDictionary<string, IDisposable> _parts = [];
    private readonly ConcurrentDictionary<long, ServedLink> _links = [];
    private long _accepted;
    private volatile bool _stopping;

    /// <param name="at">Address to listen on; port 0 takes a free one.</param>
    /// <param name="options">Of the links.</param>
    /// <param name="threads">That compute for one link to a part. 0: one a core.</param>
    /// <exception cref="InvalidOperationException">Other hosts could connect, and there is no secret.</exception>
    public TensorListener(IPEndPoint at, LinkOptions options, int threads)
    {
        if (options.Secret is null && !IPAddress.IsLoopback(at.Address))
        {
            throw new InvalidOperationException($"Tensor links at {at} would be open to anybody. Set the cluster's secret, or listen on the loopback address.");
        }

        _options = options;
        Threads = threads > 0 ? threads : Environment.ProcessorCount;
        _socket = new Socket(at.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        _socket.Bind(at);
        _socket.Listen(options.MaxLinks);
        Address = _socket.LocalEndPoint!.ToString()!; // bound
        new Thread(Accept) { IsBackground = true, Name = "loire-links" }.Start();
    }

    /// <summary>What other silos connect to.</summary>
    public string Address { get; }

    /// <summary>Links that are open now.</summary>
    public int LinkCount => _links.Count;

    /// <summary>Bytes that went over the links that are open now, both ways.</summary>
    public long Bytes => _links.Values.Sum(link => link.Socket.BytesSent + link.Socket.BytesReceived);

    internal LinkOptions Options => _options;

    internal int Threads { get; }

    /// <summary>Whether a part can be used over links: one in this process's memory can.</summary>
    public static bool CanServe(IDisposable part) => part is CpuStage or CpuShard or StateOffer;

    /// <summary>Lets other silos use a stage of this process. Its owner disposes it, after <see cref="Remove"/>.</summary>
    public PartEndpoint Serve(string name, ICpuStage stage) => Add(name, (CpuStage)stage);

    /// <inheritdoc cref="Serve(string, ICpuStage)"/>
    public PartEndpoint Serve(string name, ICpuShard shard)
    {
        var own = (CpuShard)shard;
        return own.Endpoint = Add(name, own);
    }

    /// <summary>Lets other silos fetch a state. Its owner disposes it, after <see cref="Remove"/>.</summary>
    public PartEndpoint Serve(string name, StateOffer offer) => Add(name, offer);

    /// <summary>Ends the links to a part, and takes no more. When it returns, nothing of this process computes for them.</summary>
    public void Remove(string name)
    {
        _parts.TryRemove(name, out _);
        EndLinks(name, before: long.MaxValue);
    }

    public void Dispose()
    {
        _stopping = true;
        _socket.Dispose();
        foreach (var link in _links.Values)
        {
            link.End();
        }
    }

    /// <summary>The shard behind an endpoint: in this process, or over a link of its own.</summary>
    internal ICpuShard Shard(PartEndpoint endpoint) => endpoint.Address == Address
        ? Find<CpuShard>(endpoint.Name)
        : new RemoteShard(endpoint, _options);

    private PartEndpoint Add(string name, IDisposable part)
    {
        _parts[name] = part;
        return new PartEndpoint(Address, name);
    }

    private T Find<T>(string name)
        where T : class => _parts.GetValueOrDefault(name) as T
        ?? throw new PartLostException(new PartEndpoint(Address, name), $"there is no {typeof(T).Name} of that name here now.");

    private void Accept()
    {
        while (!_stopping)
        {
            try
            {
                Begin(_socket.Accept());
            }
            catch (Exception fault) when (fault is SocketException or ObjectDisposedException)
            {
                // The listener stops, or a client left before it was accepted.
            }
        }
    }

    private void Begin(Socket socket)
    {
        if (_links.Count >= _options.MaxLinks)
        {
            socket.Dispose();
            return;
        }

        var link = new ServedLink(new FrameSocket(socket), ++_accepted);
        _links[link.Number] = link;
        link.Start(Serve);
    }

    /// <summary>The whole life of one link, on its thread.</summary>
    private void Serve(ServedLink link)
    {
        IServedPart? part = null;
        try
        {
            link.Socket.Patience = _options.ConnectTimeout;
            LinkHandshake.Accept(link.Socket, _options.Secret);
            link.Socket.Patience = Timeout.InfiniteTimeSpan;
            AnswerAll(link, ref part);
        }
        catch (Exception fault) when (fault is IOException or SocketException or ObjectDisposedException)
        {
            // The other end has gone, or cannot be understood: it will find its link closed.
        }
        finally
        {
            link.Socket.Dispose();
            part?.Dispose();
            _links.TryRemove(link.Number, out _);
        }
    }

    private void AnswerAll(ServedLink link, ref IServedPart? part)
    {
        var (request, answer) = (new PinnedBuffer(), new PinnedBuffer());
        while (!_stopping)
        {
            var head = link.Socket.Receive(request, _options.MaxFrameBytes);
            var kind = Answer(head.Kind, link, request, answer, ref part);
            if (head.IsAnswered)
            {
                link.Socket.Send(answer, kind, head.Request);
            }
        }
    }

    private FrameKind Answer(FrameKind asked, ServedLink link, PinnedBuffer request, PinnedBuffer answer, ref IServedPart? part)
    {
        answer.Clear();
        try
        {
            if (part is null)
            {
                part = Open(asked, request, answer, link);
            }
            else
            {
                part.Answer(asked, request, answer);
            }

            return FrameKind.Answer;
        }
        catch (PartLostException fault)
        {
            answer.Clear();
            answer.Append(System.Text.Encoding.UTF8.GetBytes(fault.Message));
            return FrameKind.Failure;
        }
    }

    private IServedPart Open(FrameKind kind, PinnedBuffer request, PinnedBuffer answer, ServedLink link)
    {
        var reader = new PayloadReader(request.Payload);
        switch (kind)
        {
            case FrameKind.OpenShard:
                link.Part = reader.Text();
                return ServedShard.Open(Find<CpuShard>(link.Part), Threads, ref reader, answer);
            case FrameKind.OpenStage:
                link.Part = reader.Text();
                EndLinks(link.Part, link.Number); // a stage has one replica's state: a newer link is a newer replica
                return ServedStage.Open(Find<CpuStage>(link.Part), this, ref reader, answer);
            case FrameKind.OpenState:
                link.Part = reader.Text();
                return ServedState.Open(Find<StateOffer>(link.Part), ref reader, answer);
            default:
                throw new FrameException($"A request of kind {kind} came before any part was opened.");
        }
    }

    /// <summary>Ends the links to a part that are older than this one, and waits for their threads.</summary>
    private void EndLinks(string name, long before)
    {
        foreach (var link in _links.Values.Where(link => link.Part == name && link.Number < before))
        {
            link.End();
        }
    }

    /// <summary>One link that is being served. Those that are accepted later have larger numbers.</summary>
    private sealed class ServedLink(FrameSocket socket, long number)
    {
        private Thread? _thread;
        private volatile string? _part;

        public FrameSocket Socket => socket;

        public long Number => number;

        /// <summary>Name of the part that it uses, once it has said so.</summary>
        public string? Part
        {
            get => _part;
            set => _part = value;
        }

        public void Start(Action<ServedLink> serve)
        {
            _thread = new Thread(() => serve(this)) { IsBackground = true, Name = "loire-link" };
            _thread.Start();
        }

        public void End()
        {
            socket.Dispose();
            _thread?.Join();
        }
    }
}
