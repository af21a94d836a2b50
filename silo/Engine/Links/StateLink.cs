using Loire.Engine.Replica;
using Loire.Engine.State;

namespace Loire.Engine.Links;

/// <summary>Told of each piece that has come, before it is written: throws if it is not what was promised.</summary>
/// <param name="index">Place in <see cref="StateBlob.Of"/> from page 0 on.</param>
/// <param name="piece">Which.</param>
/// <param name="content">Its bytes, valid during the call.</param>
public delegate void StatePieceCheck(int index, StateBlob piece, ReadOnlySpan<byte> content);

/// <summary>The fetching end of a state that another silo offers. One reader; blocks the calling thread.</summary>
/// <remarks>A few requests are in flight at once, so that the other end reads while this one writes; each answer has some hundred KiB, which bounds the memory of both ends.</remarks>
public sealed class StateLink : IDisposable
{
    internal const int MaxPieces = 4096;
    internal const int MaxAnswerBytes = 512 << 10; // or one piece that is larger
    private const int InFlight = 3;

    private readonly TensorLink _link;

    private StateLink(TensorLink link, byte[] head) => (_link, Head) = (link, head);

    /// <summary>What the offering end says of the state.</summary>
    public ReadOnlyMemory<byte> Head { get; }

    /// <summary>All that came over the link, frames' heads and the state's own head included.</summary>
    public long BytesReceived => _link.BytesReceived;

    /// <summary>Connects, and asks for the offer.</summary>
    /// <exception cref="PartLostException">It is not there, or not any more.</exception>
    public static StateLink Open(PartEndpoint endpoint, LinkOptions options)
    {
        var link = TensorLink.Dial(endpoint, options);
        try
        {
            var request = link.Rent();
            request.Append(endpoint.Name);
            var answer = link.Ask(FrameKind.OpenState, request);
            var head = answer.Payload.ToArray();
            link.Return(answer);
            return new StateLink(link, head);
        }
        catch
        {
            link.Dispose();
            throw;
        }
    }

    /// <summary>Fetches what the target needs, checks each piece and writes it.</summary>
    /// <returns>Bytes of the pieces that were fetched.</returns>
    /// <exception cref="PartLostException">The link or the offer is gone.</exception>
    /// <exception cref="StateRefusedException">A piece has another length, or <paramref name="check"/> refuses it.</exception>
    /// <exception cref="OperationCanceledException">Cancelled: the link is closed.</exception>
    public long Read(StateTarget target, StatePieceCheck check, CancellationToken cancellationToken)
    {
        using var cut = cancellationToken.Register(_link.Dispose);
        try
        {
            return ReadCore(target, check);
        }
        catch (PartLostException) when (cancellationToken.IsCancellationRequested)
        {
            throw new OperationCanceledException("Fetching a state was given up.", cancellationToken);
        }
    }

    public void Dispose() => _link.Dispose();

    private long ReadCore(StateTarget target, StatePieceCheck check)
    {
        var asked = new Queue<(uint Request, List<(int Index, StateBlob Piece)> Pieces)>();
        var bytes = 0L;
        foreach (var pieces in Batches(target))
        {
            if (asked.Count == InFlight)
            {
                bytes += Take(asked.Dequeue(), target, check);
            }

            asked.Enqueue((Ask(pieces), pieces));
        }

        while (asked.TryDequeue(out var next))
        {
            bytes += Take(next, target, check);
        }

        return bytes;
    }

    private static IEnumerable<List<(int Index, StateBlob Piece)>> Batches(StateTarget target)
    {
        var batch = new List<(int, StateBlob)>();
        var (index, total) = (-1, 0L);
        foreach (var piece in StateBlob.Of(target.Shape, target.TokenCount))
        {
            index++;
            if (piece.Kind == StateBlobKind.Page && piece.Page < target.FromPage)
            {
                continue;
            }

            if (batch.Count > 0 && (total + piece.Bytes > MaxAnswerBytes || batch.Count == MaxPieces))
            {
                yield return batch;
                (batch, total) = ([], 0);
            }

            batch.Add((index, piece));
            total += piece.Bytes;
        }

        yield return batch; // a state has a piece at least
    }

    private uint Ask(List<(int Index, StateBlob Piece)> pieces)
    {
        var request = _link.Rent();
        request.Append(pieces.Count);
        foreach (var (_, piece) in pieces)
        {
            request.Append((int)piece.Kind);
            request.Append(piece.Layer);
            request.Append(piece.Page);
        }

        return _link.Send(FrameKind.ReadState, request);
    }

    private long Take((uint Request, List<(int Index, StateBlob Piece)> Pieces) asked, StateTarget target, StatePieceCheck check)
    {
        var answer = _link.Wait(asked.Request);
        try
        {
            ReadOnlySpan<byte> left = answer.Payload;
            var expected = asked.Pieces.Sum(entry => (long)entry.Piece.Bytes);
            if (left.Length != expected)
            {
                throw new StateRefusedException($"{left.Length} bytes of a state came; {expected} were asked for.");
            }

            foreach (var (index, piece) in asked.Pieces)
            {
                check(index, piece, left[..piece.Bytes]);
                piece.Write(target, left[..piece.Bytes]);
                left = left[piece.Bytes..];
            }

            return expected;
        }
        finally
        {
            _link.Return(answer);
        }
    }
}
