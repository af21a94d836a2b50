using Loire.Engine.Links;
using Loire.Engine.Replica;

namespace Loire.Engine.Backends.Cpu.Links;

/// <summary>An expert shard on another silo: the rows of a step that choose its experts go there, their outputs come back.</summary>
/// <remarks>Owned by one forward program: <see cref="Send"/> and <see cref="Receive"/> are its first worker's.</remarks>
internal sealed unsafe class RemoteShard : ICpuShard
{
    private readonly TensorLink _link;
    private readonly int _hidden;
    private int[] _placeOfRow = []; // of a row among those that were sent, or -1
    private int[] _sent = []; // entries in the order of the answer
    private int _sentCount;
    private uint _request;
    private bool _isWaiting;

    /// <summary>Connects, and asks what the shard has.</summary>
    /// <exception cref="PartLostException">It is not there.</exception>
    public RemoteShard(PartEndpoint endpoint, LinkOptions options)
    {
        Endpoint = endpoint;
        _link = TensorLink.Dial(endpoint, options);
        var request = _link.Rent();
        request.Append(endpoint.Name);
        var answer = _link.Ask(FrameKind.OpenShard, request);
        var reader = new PayloadReader(answer.Payload);
        FirstExpert = reader.Int();
        EndExpert = reader.Int();
        _hidden = reader.Int();
        WeightBytes = BitConverter.ToInt64(reader.Bytes(sizeof(long)));
        _link.Return(answer);
    }

    public PartEndpoint Endpoint { get; }

    public int FirstExpert { get; }

    public int EndExpert { get; }

    public long WeightBytes { get; }

    public TensorLink Link => _link;

    /// <summary>Sends the rows that chose experts of this shard, each once, if there are any.</summary>
    /// <param name="layer">Of the model.</param>
    /// <param name="buffers">Of the step.</param>
    /// <param name="offsets">Of the groups, by expert.</param>
    /// <param name="entries">By group: row · choices + choice.</param>
    /// <param name="choices">Of a row.</param>
    public void Send(int layer, StepBuffers buffers, int* offsets, int* entries, int choices)
    {
        var first = offsets[FirstExpert];
        _sentCount = offsets[EndExpert] - first;
        if (_sentCount == 0)
        {
            return;
        }

        Reserve(buffers.MaxRows, choices);
        new ReadOnlySpan<int>(entries + first, _sentCount).CopyTo(_sent);
        var frame = _link.Rent();
        frame.Append(layer);
        frame.Append(_sentCount);
        for (var expert = FirstExpert; expert < EndExpert; expert++)
        {
            frame.Append(offsets[expert + 1] - offsets[expert]);
        }

        var rows = AppendPlaces(frame, choices);
        frame.Append(rows);
        AppendRows(frame, buffers, choices);
        _request = _link.Send(FrameKind.Experts, frame);
        _isWaiting = true;
    }

    /// <summary>Waits for the outputs of what was sent last and puts each where its choice is combined.</summary>
    public void Receive(StepBuffers buffers)
    {
        if (!_isWaiting)
        {
            return;
        }

        _isWaiting = false;
        var answer = _link.Wait(_request);
        if (answer.Payload.Length != (long)_sentCount * _hidden * sizeof(float))
        {
            _link.Return(answer);
            throw new PartLostException(Endpoint, $"it answered {_sentCount} rows with {answer.Payload.Length} bytes.");
        }

        var outputs = (float*)answer.Pointer;
        for (var i = 0; i < _sentCount; i++)
        {
            new ReadOnlySpan<float>(outputs + ((long)i * _hidden), _hidden).CopyTo(new Span<float>(buffers.ExpertOutput + ((long)_sent[i] * _hidden), _hidden));
        }

        _link.Return(answer);
    }

    /// <summary>Asks the shard. Waits for the link.</summary>
    public void CopyLoad(Span<long> tokensByExpert)
    {
        var answer = _link.Ask(FrameKind.ShardLoad, _link.Rent());
        System.Runtime.InteropServices.MemoryMarshal.Cast<byte, long>(answer.Payload).CopyTo(tokensByExpert);
        _link.Return(answer);
    }

    /// <summary>Counts from here on.</summary>
    public void ClearLoad() => _link.Return(_link.Ask(FrameKind.ClearLoad, _link.Rent()));

    public void Dispose() => _link.Dispose();

    private void Reserve(int maxRows, int choices)
    {
        if (_placeOfRow.Length < maxRows)
        {
            _placeOfRow = new int[maxRows];
            Array.Fill(_placeOfRow, -1);
        }

        if (_sent.Length < maxRows * choices)
        {
            _sent = new int[maxRows * choices];
        }
    }

    /// <summary>For each entry, which of the sent rows it reads. Returns how many rows that are.</summary>
    private int AppendPlaces(PinnedBuffer frame, int choices)
    {
        var rows = 0;
        for (var i = 0; i < _sentCount; i++)
        {
            ref var place = ref _placeOfRow[_sent[i] / choices];
            place = place >= 0 ? place : rows++;
            frame.Append(place);
        }

        return rows;
    }

    private void AppendRows(PinnedBuffer frame, StepBuffers buffers, int choices)
    {
        for (var i = 0; i < _sentCount; i++)
        {
            var row = _sent[i] / choices;
            if (_placeOfRow[row] >= 0)
            {
                frame.Append(System.Runtime.InteropServices.MemoryMarshal.AsBytes(new ReadOnlySpan<float>(buffers.Normed + ((long)row * _hidden), _hidden)));
                _placeOfRow[row] = -1; // the first entry that names a row is also the one that numbered it: rows follow in that order
            }
        }
    }
}
