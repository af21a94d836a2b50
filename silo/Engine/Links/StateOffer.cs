using Loire.Engine.State;

namespace Loire.Engine.Links;

/// <summary>A state that another silo may fetch, until it is disposed. Owns the snapshot.</summary>
/// <param name="head">What the fetching end is told first: whatever it needs to trust the rest. At most some MiB.</param>
/// <param name="snapshot">Of the whole state, from its first page on.</param>
public sealed class StateOffer(ReadOnlyMemory<byte> head, StateSnapshot snapshot) : IDisposable
{
    internal ReadOnlyMemory<byte> Head => head;

    internal StateSnapshot Snapshot => snapshot;

    /// <summary>After the links to it have ended (<see cref="TensorListener.Remove"/>).</summary>
    public void Dispose() => snapshot.Dispose();
}

/// <summary>The answering end of <see cref="StateLink"/>: reads pieces of an offered state into frames, one frame at a time.</summary>
internal sealed class ServedState : IServedPart
{
    private readonly StateOffer _offer;

    private ServedState(StateOffer offer) => _offer = offer;

    public static ServedState Open(StateOffer offer, ref PayloadReader request, PinnedBuffer answer)
    {
        request.End();
        answer.Append(offer.Head.Span);
        return new ServedState(offer);
    }

    public void Answer(FrameKind kind, PinnedBuffer request, PinnedBuffer answer)
    {
        if (kind != FrameKind.ReadState)
        {
            throw new FrameException($"An offered state answers no request of kind {kind}.");
        }

        var reader = new PayloadReader(request.Payload);
        for (var left = reader.Int("The number of pieces", 1, StateLink.MaxPieces); left > 0; left--)
        {
            var piece = Checked((StateBlobKind)reader.Int(), reader.Int(), reader.Int());
            if (answer.Length > 0 && answer.Length + piece.Bytes > StateLink.MaxAnswerBytes)
            {
                throw new FrameException($"More than {StateLink.MaxAnswerBytes} bytes are asked for at once.");
            }

            piece.Read(_offer.Snapshot, answer.Extend(piece.Bytes));
        }

        reader.End();
    }

    public void Dispose()
    {
        // The offer outlives its links.
    }

    /// <summary>A piece that the state does have.</summary>
    private StateBlob Checked(StateBlobKind kind, int layer, int page)
    {
        var (shape, snapshot) = (_offer.Snapshot.Shape, _offer.Snapshot);
        var layers = kind == StateBlobKind.Recurrent ? shape.Recurrent : shape.KeyValue;
        foreach (var (index, bytes) in layers)
        {
            if (index != layer)
            {
                continue;
            }

            switch (kind)
            {
                case StateBlobKind.Recurrent when page == 0:
                    return new StateBlob(kind, layer, page, bytes);
                case StateBlobKind.Page when page >= snapshot.FromPage && page < snapshot.FullPages:
                    return new StateBlob(kind, layer, page, bytes * StateShape.PageTokens);
                case StateBlobKind.Tail when page == snapshot.FullPages && snapshot.TailTokens > 0:
                    return new StateBlob(kind, layer, page, bytes * snapshot.TailTokens);
            }
        }

        throw new FrameException($"A state of {snapshot.TokenCount} tokens has no piece of kind {(int)kind}, layer {layer}, page {page}.");
    }
}
