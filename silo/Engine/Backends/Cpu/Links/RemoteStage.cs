using System.Runtime.InteropServices;
using Loire.Engine.Links;
using Loire.Engine.Replica;

namespace Loire.Engine.Backends.Cpu.Links;

/// <summary>Layers [first, end) on another silo, with the slots and pages of their state.</summary>
/// <remarks>
/// <see cref="Run"/>, <see cref="ClearState"/> and <see cref="Route"/> are the stepping thread's; state is read and written by any.
/// One replica uses a stage: a newer link to it ends an older one.
/// </remarks>
internal sealed unsafe class RemoteStage(PartEndpoint endpoint, int firstLayer, int endLayer, LinkOptions options) : ICpuStage
{
    private TensorLink? _link;

    public PartEndpoint Endpoint => endpoint;

    public int FirstLayer => firstLayer;

    public int EndLayer => endLayer;

    /// <summary>Known at its own silo.</summary>
    public long WeightBytes => 0;

    public TensorLink Link => _link ?? throw new InvalidOperationException($"Stage {endpoint} is not linked yet.");

    /// <summary>Layer, bytes of its recurrent state and bytes of keys and values a token.</summary>
    public IReadOnlyList<(int Layer, int StateBytes, int KeyValueBytes)> State { get; private set; } = [];

    /// <summary>Connects, and has the slots and pages allocated there.</summary>
    /// <exception cref="PartLostException">It is not there, or has other layers.</exception>
    public void Open(BackendSizes sizes, IReadOnlyList<PartEndpoint> shards)
    {
        _link?.Dispose();
        _link = TensorLink.Dial(endpoint, options);
        var request = _link.Rent();
        request.Append(endpoint.Name);
        request.Append(sizes.Slots);
        request.Append(sizes.Pages);
        request.Append(sizes.MaxRows);
        request.Append(sizes.MaxLogitsRows);
        Append(request, shards);
        var answer = _link.Ask(FrameKind.OpenStage, request);
        var reader = new PayloadReader(answer.Payload);
        var state = new (int, int, int)[reader.Int()];
        for (var i = 0; i < state.Length; i++)
        {
            state[i] = (reader.Int(), reader.Int(), reader.Int());
        }

        State = state;
        _link.Return(answer);
        if (state.Length != endLayer - firstLayer || state[0].Item1 != firstLayer)
        {
            throw new PartLostException(endpoint, $"it has {state.Length} layers from layer {state[0].Item1}; [{firstLayer}, {endLayer}) were planned.");
        }
    }

    /// <summary>Tells the stage where the experts are from the next step on.</summary>
    public void Route(IReadOnlyList<PartEndpoint> shards)
    {
        var request = Link.Rent();
        Append(request, shards);
        Link.Return(Link.Ask(FrameKind.Route, request));
    }

    /// <summary>Sends the batch and its residual stream; gets back the stream, or the logits of the last stage.</summary>
    /// <remarks>A failure is left in <see cref="StepContext.Failure"/>.</remarks>
    public void Run(StepContext step)
    {
        var (batch, buffers) = (step.Batch, step.Buffers);
        try
        {
            var request = Link.Rent();
            StepFrame.Write(batch, request);
            request.Append(MemoryMarshal.AsBytes(new ReadOnlySpan<float>(buffers.Stream, batch.RowCount * buffers.Widths.Hidden)));
            var answer = Link.Ask(FrameKind.Step, request);
            var isLogits = answer.Payload[0] != 0;
            var floats = MemoryMarshal.Cast<byte, float>(answer.Payload[sizeof(int)..]);
            var target = isLogits
                ? new Span<float>(buffers.Logits, batch.LogitsCount * buffers.Widths.Vocabulary)
                : new Span<float>(buffers.Stream, batch.RowCount * buffers.Widths.Hidden);
            var fits = floats.Length == target.Length;
            if (fits)
            {
                floats.CopyTo(target);
            }

            Link.Return(answer);
            step.Failure = fits ? null : new PartLostException(endpoint, "its answer to a step has the wrong length.");
        }
        catch (PartLostException lost)
        {
            step.Failure = lost;
        }
    }

    public void ClearState(int slot)
    {
        var request = Link.Rent();
        request.Append(slot);
        Link.Post(FrameKind.ClearState, request);
    }

    /// <summary>Recurrent states of layers [first, end), one after the other, in one answer.</summary>
    public void ReadRecurrent(int first, int end, int slot, Span<byte> blobs)
    {
        var request = Link.Rent();
        request.Append(first);
        request.Append(end);
        request.Append(slot);
        Take(Link.Ask(FrameKind.ReadRecurrent, request), blobs);
    }

    public void WriteRecurrent(int layer, int slot, ReadOnlySpan<byte> blob)
    {
        var request = Link.Rent();
        request.Append(layer);
        request.Append(slot);
        request.Append(blob);
        Link.Post(FrameKind.WriteRecurrent, request);
    }

    public void ReadKeyValues(int layer, int page, int tokens, Span<byte> blob)
    {
        var request = Link.Rent();
        request.Append(layer);
        request.Append(page);
        request.Append(tokens);
        Take(Link.Ask(FrameKind.ReadKeyValues, request), blob);
    }

    public void WriteKeyValues(int layer, int page, int tokens, ReadOnlySpan<byte> blob)
    {
        var request = Link.Rent();
        request.Append(layer);
        request.Append(page);
        request.Append(tokens);
        request.Append(blob);
        Link.Post(FrameKind.WriteKeyValues, request);
    }

    public void Dispose() => _link?.Dispose();

    private static void Append(PinnedBuffer request, IReadOnlyList<PartEndpoint> shards)
    {
        request.Append(shards.Count);
        foreach (var shard in shards)
        {
            request.Append(shard.Address);
            request.Append(shard.Name);
        }
    }

    private void Take(PinnedBuffer answer, Span<byte> blob)
    {
        var found = answer.Payload.Length;
        if (found == blob.Length)
        {
            answer.Payload.CopyTo(blob);
        }

        Link.Return(answer);
        if (found != blob.Length)
        {
            throw new PartLostException(endpoint, $"{found} bytes of state came, and {blob.Length} were asked for.");
        }
    }
}
