using Loire.Actors.Calls;
using Loire.Actors.Serialization;
using Orleans.Runtime;

namespace Loire.Actors.Streams;

/// <summary>A call of a method that returns a stream, of items of any type.</summary>
public abstract class StreamCall
{
    /// <summary>The method.</summary>
    public abstract MethodDescriptor Method { get; }

    /// <summary>Writes the arguments; generated.</summary>
    public virtual void WriteArguments(WireWriter writer)
    {
    }

    /// <summary>Reads the arguments; generated.</summary>
    public virtual void ReadArguments(WireReader reader)
    {
    }

    /// <summary>A pull, with what a connection brought.</summary>
    internal abstract Request ReadPull(WireReader reader);
}

/// <summary>A call of a method that returns a stream: nothing is sent until it is read. Generated code derives one class a method.</summary>
public abstract class StreamCall<T>(GrainReference reference, CancellationToken cancellationToken) : StreamCall, IAsyncEnumerable<T>
{
    /// <summary>How many items one pull may bring, unless the reader says otherwise.</summary>
    internal const int DefaultBatchSize = 100;

    /// <summary>The token that was given as an argument.</summary>
    internal CancellationToken ArgumentToken { get; } = cancellationToken;

    internal GrainReference Reference { get; } = reference;

    internal int BatchSize { get; set; } = DefaultBatchSize;

    /// <inheritdoc/>
    public IAsyncEnumerator<T> GetAsyncEnumerator(CancellationToken cancellationToken = default) => new StreamReader<T>(this, cancellationToken);

    internal IAsyncEnumerable<T> Start(object target, CancellationToken cancellationToken) => Invoke(target, cancellationToken);

    internal T Copy(T item) => CopyItem(item);

    internal override Request ReadPull(WireReader reader)
    {
        var first = reader.Byte() != 0;
        var id = new Guid(reader.Bytes());
        BatchSize = Math.Max(1, (int)Math.Min(reader.Varint(), int.MaxValue));
        if (first)
        {
            ReadArguments(reader);
        }

        return new StreamPull<T>(this, id, first);
    }

    /// <summary>Calls the grain's method.</summary>
    protected abstract IAsyncEnumerable<T> Invoke(object target, CancellationToken cancellationToken);

    /// <summary>A copy of an item that the grain and the reader do not share.</summary>
    protected virtual T CopyItem(T item) => item;
}

/// <summary>What one pull brings: no item (the grain is still at it), one, or several; and whether the stream has ended.</summary>
internal readonly struct StreamBatch<T>
{
    private readonly T? _single;
    private readonly List<T>? _many;

    public StreamBatch(T single, bool completed) => (_single, Count, Completed) = (single, 1, completed);

    public StreamBatch(List<T>? many, bool completed) => (_many, Count, Completed) = (many, many?.Count ?? 0, completed);

    public int Count { get; }

    public bool Completed { get; }

    public T this[int index] => _many is { } many ? many[index] : _single!;
}

/// <summary>A batch on the wire: whether the stream has ended, how many items, and those.</summary>
internal sealed class StreamBatchCodec<T> : Codec<StreamBatch<T>>
{
    public static StreamBatchCodec<T> Instance { get; } = new();

    public override WireType Wire => WireType.Block;

    public override StreamBatch<T> Copy(StreamBatch<T> value) => value;

    public override void Write(WireWriter writer, StreamBatch<T> value)
    {
        var codec = Codecs.Get<T>();
        writer.Byte(value.Completed ? (byte)1 : (byte)0);
        writer.Varint((uint)value.Count);
        for (var item = 0; item < value.Count; item++)
        {
            writer.Nullable(codec, value[item]);
        }
    }

    public override StreamBatch<T> Read(WireReader reader)
    {
        var codec = Codecs.Get<T>();
        var completed = reader.Byte() != 0;
        var count = reader.Count();
        if (count == 1)
        {
            return new StreamBatch<T>(reader.Nullable(codec)!, completed);
        }

        var items = new List<T>(count);
        for (var item = 0; item < count; item++)
        {
            items.Add(reader.Nullable(codec)!);
        }

        return new StreamBatch<T>(items, completed);
    }
}

/// <summary>The methods that streams are pulled with, as filters see them.</summary>
internal static class StreamMethods
{
    public static readonly MethodDescriptor Start = Describe("StartEnumeration", CallOptions.AlwaysInterleave);
    public static readonly MethodDescriptor MoveNext = Describe("MoveNext", CallOptions.AlwaysInterleave);
    public static readonly MethodDescriptor End = Describe("DisposeAsync", CallOptions.AlwaysInterleave);

    private static MethodDescriptor Describe(string name, CallOptions options) =>
        new(typeof(IAsyncEnumerableGrainExtension), "Orleans.Runtime.IAsyncEnumerableGrainExtension", name, name, options, null, []);
}

/// <summary>Asks for the next items of a stream.</summary>
internal sealed class StreamPull<T>(StreamCall<T> call, Guid id, bool first) : Request<StreamBatch<T>>
{
    public override MethodDescriptor Method => first ? StreamMethods.Start : StreamMethods.MoveNext;

    internal override bool DelaysEnd => false;

    internal override ulong WireMethod => call.Method.WireId;

    internal override Codec<StreamBatch<T>> ResultCodec => StreamBatchCodec<T>.Instance;

    public override void WriteArguments(WireWriter writer)
    {
        writer.Byte(first ? (byte)1 : (byte)0);
        writer.Bytes(id.ToByteArray());
        writer.Varint((uint)call.BatchSize);
        if (first)
        {
            call.WriteArguments(writer);
        }
    }

    protected override ValueTask<StreamBatch<T>> Invoke(object target)
    {
        var activation = RuntimeContext.Current!;
        var enumeration = first ? activation.StartStream(call, id, target) : activation.FindStream<T>(id);
        return enumeration.PullAsync(call.BatchSize);
    }

    protected override void Recycle()
    {
        // A reader may cancel it at any time, so it is not used again.
    }
}

/// <summary>Says that a reader has gone: the grain's <c>finally</c> runs.</summary>
internal sealed class StreamEnd(Guid id) : VoidRequest
{
    private Guid _id = id;

    public override MethodDescriptor Method => StreamMethods.End;

    internal override bool IsBounded => false;

    internal override bool DelaysEnd => false;

    public override void WriteArguments(WireWriter writer) => writer.Bytes(_id.ToByteArray());

    public override void ReadArguments(WireReader reader) => _id = new Guid(reader.Bytes());

    protected override ValueTask InvokeVoid(object target) => new(RuntimeContext.Current!.EndStreamAsync(_id));

    protected override void Recycle()
    {
    }
}
