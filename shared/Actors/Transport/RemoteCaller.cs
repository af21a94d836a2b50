using Loire.Actors.Serialization;
using Orleans.Runtime;

namespace Loire.Actors.Transport;

/// <summary>Where the answer of a call goes that came over a connection.</summary>
internal sealed class RemoteCaller(Connection connection, uint call, CallFlags flags, byte[]? chain)
{
    /// <summary>Who called whom before this call, up to a bound; null when a client called.</summary>
    public CallerLink[] Chain => field ??= chain is null ? [] : CallHead.ReadChain(chain);

    /// <summary>The process that called.</summary>
    public SiloAddress Peer => connection.Peer;

    /// <summary>Whether the caller's silo chose this silo for a grain that was nowhere.</summary>
    public bool IsPlaced => (flags & CallFlags.Placed) != 0;

    /// <summary>Whether the caller cannot say where the grain is to be.</summary>
    public bool AsksWhere => (flags & CallFlags.AsksWhere) != 0;

    private bool IsOneWay => (flags & CallFlags.OneWay) != 0;

    /// <summary>Begins the answer.</summary>
    public WireWriter Begin() => Frame.Begin(FrameKind.Answer, call);

    /// <summary>Sends what was begun.</summary>
    public void Send(WireWriter answer)
    {
        connection.Forget(call);
        try
        {
            connection.Send(answer);
        }
        catch (OrleansException tooLarge)
        {
            Fail(tooLarge);
            return;
        }

        connection.Answered();
    }

    public void Fail(Exception exception)
    {
        connection.Forget(call);
        if (IsOneWay)
        {
            return;
        }

        var failure = Frame.Begin(FrameKind.Failure, call);
        try
        {
            Exceptions.Write(failure, exception);
        }
        catch (Exception unwritable)
        {
            failure = Frame.Begin(FrameKind.Failure, call);
            Exceptions.Write(failure, new OrleansException($"{exception.GetType().FullName}: {exception.Message} (its members could not be sent: {unwritable.Message})"));
        }

        connection.Send(failure);
        connection.Answered();
    }

    /// <summary>Says that the grain is not here, and where it is or is to be, if that is known.</summary>
    public void Reject(SiloAddress? to, bool placed)
    {
        connection.Forget(call);
        var rejection = Frame.Begin(FrameKind.Rejection, call);
        rejection.Byte(placed ? (byte)1 : (byte)0);
        rejection.Text(to?.ToParsableString() ?? "");
        connection.Send(rejection);
        connection.Answered();
    }
}

/// <summary>One step of a chain of calls: a grain, and the method that it was in.</summary>
internal readonly record struct CallerLink(GrainId GrainId, string Method);
