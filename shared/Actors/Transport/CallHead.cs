using System.Text;
using Loire.Actors.Calls;
using Loire.Actors.Serialization;
using Orleans.Runtime;

namespace Loire.Actors.Transport;

/// <summary>What a call says beside its arguments.</summary>
[Flags]
internal enum CallFlags : byte
{
    None = 0,

    /// <summary>A message may follow that cancels it.</summary>
    Cancellable = 1,

    /// <summary>The caller's silo placed the grain on the receiver.</summary>
    Placed = 2,

    /// <summary>The caller is a client: the receiver places the grain, if it is nowhere.</summary>
    AsksWhere = 4,

    /// <summary>Nobody waits for the answer.</summary>
    OneWay = 8,

    /// <summary>Values of the request context follow.</summary>
    Context = 16,

    /// <summary>A grain called: the chain of calls follows.</summary>
    Chain = 32,
}

/// <summary>Writes and reads calls: flags, method, forwards, time left, grain, context, chain, arguments.</summary>
internal static class CallHead
{
    private const int MaxChain = 8;

    public static WireWriter Write(Request request, uint call, SiloRuntime runtime)
    {
        var frame = Frame.Begin(FrameKind.Call, call);
        var sender = request.Sender;
        var flags = (request.IsCancellable ? CallFlags.Cancellable : 0)
            | (request.IsPlaced ? CallFlags.Placed : 0)
            | (runtime.IsClient ? CallFlags.AsksWhere : 0)
            | ((request.Options & CallOptions.OneWay) != 0 ? CallFlags.OneWay : 0)
            | (request.Context is null ? 0 : CallFlags.Context)
            | (sender is null ? 0 : CallFlags.Chain);
        frame.Byte((byte)flags);
        frame.Fixed64(request.WireMethod);
        frame.Byte((byte)request.Forwards);
        frame.Varint(request.Deadline == long.MaxValue ? 0 : (ulong)Math.Max(1, runtime.MillisecondsUntil(request.Deadline)));
        frame.Bytes(request.Target.WireId);
        if (request.Context is { } context)
        {
            WriteContext(frame, context);
        }

        if (sender is not null)
        {
            WriteChain(frame, sender);
        }

        // Arguments are copies, or nobody changes them.
        frame.MayAttach = true;
        request.WriteArguments(frame);
        return frame;
    }

    public static Dictionary<string, object> ReadContext(WireReader reader)
    {
        var values = new Dictionary<string, object>();
        for (var left = reader.Count(); left > 0; left--)
        {
            values.Add(reader.Text(), reader.Nullable(Codecs.Get<object>())!);
        }

        return values;
    }

    public static CallerLink[] ReadChain(byte[] chain)
    {
        var reader = new WireReader(chain);
        var links = new CallerLink[reader.Count()];
        for (var link = 0; link < links.Length; link++)
        {
            links[link] = new CallerLink(GrainId.Parse(reader.Text()), reader.Text());
        }

        return links;
    }

    private static void WriteContext(WireWriter frame, Dictionary<string, object> context)
    {
        frame.Varint((uint)context.Count);
        foreach (var (key, value) in context)
        {
            frame.Text(key);
            frame.Nullable(Codecs.Get<object>(), value);
        }
    }

    // The sender, the one that called it, and so on: as far as this silo can see, and then as its own caller has said.
    private static void WriteChain(WireWriter frame, Activation sender)
    {
        List<CallerLink>? links = null;
        var first = sender.RunningExclusive;
        for (var running = first; running?.Sender is { } next && (links?.Count ?? 0) < MaxChain; running = next.RunningExclusive)
        {
            (links ??= []).Add(new CallerLink(next.GrainId, next.RunningExclusive?.Method.Name ?? ""));
        }

        if (first?.Caller is { Chain: { Length: > 0 } earlier })
        {
            (links ??= []).AddRange(earlier.Take(MaxChain - links.Count));
        }

        var start = frame.Length;
        frame.Fixed32(0);
        frame.Varint((uint)(links?.Count ?? 0) + 1);
        frame.Bytes(sender.WireId);
        frame.Text(first?.Method.Name ?? "");
        foreach (var link in links ?? [])
        {
            frame.Text(link.GrainId.ToString());
            frame.Text(link.Method);
        }

        System.Buffers.Binary.BinaryPrimitives.WriteInt32LittleEndian(frame.Buffer.AsSpan(start), frame.Length - start - sizeof(int));
    }

    public static byte[] WireIdOf(GrainId grainId) => Encoding.UTF8.GetBytes(grainId.ToString());
}
