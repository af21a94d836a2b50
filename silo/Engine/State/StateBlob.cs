namespace Loire.Engine.State;

/// <summary>What a piece of a state holds. On the wire: add at the end, never reuse a number.</summary>
public enum StateBlobKind
{
    /// <summary>Recurrent state of one layer.</summary>
    Recurrent = 1,

    /// <summary>Keys and values of one full page of one softmax layer.</summary>
    Page = 2,

    /// <summary>Keys and values of the partly filled last page of one softmax layer.</summary>
    Tail = 3,
}

/// <summary>One piece of a state in the canonical layout.</summary>
/// <param name="Kind">What it holds.</param>
/// <param name="Layer">Of the model.</param>
/// <param name="Page">Of a <see cref="StateBlobKind.Page"/> and a <see cref="StateBlobKind.Tail"/>; 0 for others.</param>
/// <param name="Bytes">Of its content.</param>
public readonly record struct StateBlob(StateBlobKind Kind, int Layer, int Page, int Bytes)
{
    /// <summary>The pieces of a state after so many tokens, in the order that both ends of a transfer know: recurrent layers, then each softmax layer's pages and tail.</summary>
    /// <param name="shape">Of the model.</param>
    /// <param name="tokens">That the state covers.</param>
    /// <param name="fromPage">Full pages before it are left out.</param>
    public static IEnumerable<StateBlob> Of(StateShape shape, int tokens, int fromPage = 0)
    {
        foreach (var (layer, bytes) in shape.Recurrent)
        {
            yield return new StateBlob(StateBlobKind.Recurrent, layer, 0, bytes);
        }

        var (fullPages, tailTokens) = (tokens / StateShape.PageTokens, tokens % StateShape.PageTokens);
        foreach (var (layer, perToken) in shape.KeyValue)
        {
            for (var page = fromPage; page < fullPages; page++)
            {
                yield return new StateBlob(StateBlobKind.Page, layer, page, perToken * StateShape.PageTokens);
            }

            if (tailTokens > 0)
            {
                yield return new StateBlob(StateBlobKind.Tail, layer, fullPages, perToken * tailTokens);
            }
        }
    }

    /// <summary>Fills <paramref name="content"/>, which has as many bytes as the piece.</summary>
    internal void Read(StateSnapshot snapshot, Span<byte> content)
    {
        switch (Kind)
        {
            case StateBlobKind.Recurrent:
                snapshot.ReadRecurrent(Layer, content);
                break;
            case StateBlobKind.Page:
                snapshot.ReadPage(Layer, Page, content);
                break;
            default:
                snapshot.ReadTail(Layer, content);
                break;
        }
    }

    internal void Write(StateTarget target, ReadOnlySpan<byte> content)
    {
        switch (Kind)
        {
            case StateBlobKind.Recurrent:
                target.WriteRecurrent(Layer, content);
                break;
            case StateBlobKind.Page:
                target.WritePage(Layer, Page, content);
                break;
            default:
                target.WriteTail(Layer, content);
                break;
        }
    }
}
