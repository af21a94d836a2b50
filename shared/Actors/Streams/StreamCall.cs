using Loire.Actors.Calls;
using Orleans.Runtime;

namespace Loire.Actors.Streams;

/// <summary>A call of a method that returns a stream: nothing is sent until it is read. Generated code derives one class a method.</summary>
public abstract class StreamCall<T>(GrainReference reference, CancellationToken cancellationToken) : IAsyncEnumerable<T>
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
    public override MethodDescriptor Method => StreamMethods.End;

    internal override bool IsBounded => false;

    internal override bool DelaysEnd => false;

    protected override ValueTask InvokeVoid(object target) => new(RuntimeContext.Current!.EndStreamAsync(id));

    protected override void Recycle()
    {
    }
}
