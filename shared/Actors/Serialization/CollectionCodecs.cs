using System.Collections.Immutable;

namespace Loire.Actors.Serialization;

/// <summary>A codec that finds its element's codec when it first needs it, since a type may contain itself.</summary>
internal abstract class SequenceCodec<TSequence, T> : Codec<TSequence>
    where TSequence : notnull
{
    private Codec<T>? _element;

    public sealed override WireType Wire => WireType.Block;

    private Codec<T> Element => _element ??= Codecs.Get<T>();

    public sealed override TSequence Copy(TSequence value)
    {
        var items = ToArray(value);
        var copies = new T[items.Length];
        for (var index = 0; index < items.Length; index++)
        {
            copies[index] = items[index] is { } item ? Element.Copy(item) : default!;
        }

        return Make(copies);
    }

    public sealed override void Write(WireWriter writer, TSequence value)
    {
        var items = ToArray(value);
        var start = writer.BeginBlock();
        writer.Varint((uint)items.Length);
        foreach (var item in items)
        {
            writer.Nullable(Element, item);
        }

        writer.EndBlock(start);
    }

    public sealed override TSequence Read(WireReader reader)
    {
        var end = reader.BeginBlock();
        var items = new T[reader.Count()];
        for (var index = 0; index < items.Length; index++)
        {
            items[index] = reader.Nullable(Element)!;
        }

        reader.EndBlock(end);
        return Make(items);
    }

    protected abstract T[] ToArray(TSequence value);

    protected abstract TSequence Make(T[] items);
}

internal sealed class ArrayCodec<T> : SequenceCodec<T[], T>
{
    protected override T[] ToArray(T[] value) => value;

    protected override T[] Make(T[] items) => items;
}

internal sealed class ListCodec<T> : SequenceCodec<List<T>, T>
{
    protected override T[] ToArray(List<T> value) => [.. value];

    protected override List<T> Make(T[] items) => [.. items];
}

internal sealed class ListInterfaceCodec<T> : SequenceCodec<IList<T>, T>
{
    protected override T[] ToArray(IList<T> value) => [.. value];

    protected override IList<T> Make(T[] items) => new List<T>(items);
}

internal sealed class CollectionInterfaceCodec<T> : SequenceCodec<ICollection<T>, T>
{
    protected override T[] ToArray(ICollection<T> value) => [.. value];

    protected override ICollection<T> Make(T[] items) => new List<T>(items);
}

internal sealed class ReadOnlyListCodec<T> : SequenceCodec<IReadOnlyList<T>, T>
{
    protected override T[] ToArray(IReadOnlyList<T> value) => [.. value];

    protected override IReadOnlyList<T> Make(T[] items) => items;
}

internal sealed class ReadOnlyCollectionCodec<T> : SequenceCodec<IReadOnlyCollection<T>, T>
{
    protected override T[] ToArray(IReadOnlyCollection<T> value) => [.. value];

    protected override IReadOnlyCollection<T> Make(T[] items) => items;
}

internal sealed class EnumerableCodec<T> : SequenceCodec<IEnumerable<T>, T>
{
    protected override T[] ToArray(IEnumerable<T> value) => [.. value];

    protected override IEnumerable<T> Make(T[] items) => items;
}

internal sealed class HashSetCodec<T> : SequenceCodec<HashSet<T>, T>
{
    protected override T[] ToArray(HashSet<T> value) => [.. value];

    protected override HashSet<T> Make(T[] items) => [.. items];
}

internal sealed class ImmutableArrayCodec<T> : SequenceCodec<ImmutableArray<T>, T>
{
    protected override T[] ToArray(ImmutableArray<T> value) => value.IsDefault ? [] : [.. value];

    protected override ImmutableArray<T> Make(T[] items) => [.. items];
}

internal sealed class ImmutableListCodec<T> : SequenceCodec<ImmutableList<T>, T>
{
    protected override T[] ToArray(ImmutableList<T> value) => [.. value];

    protected override ImmutableList<T> Make(T[] items) => [.. items];
}

internal sealed class ImmutableHashSetCodec<T> : SequenceCodec<ImmutableHashSet<T>, T>
{
    protected override T[] ToArray(ImmutableHashSet<T> value) => [.. value];

    protected override ImmutableHashSet<T> Make(T[] items) => [.. items];
}

internal sealed class DictionaryCodec<TKey, TValue> : SequenceCodec<Dictionary<TKey, TValue>, KeyValuePair<TKey, TValue>>
    where TKey : notnull
{
    protected override KeyValuePair<TKey, TValue>[] ToArray(Dictionary<TKey, TValue> value) => [.. value];

    protected override Dictionary<TKey, TValue> Make(KeyValuePair<TKey, TValue>[] items) => new(items);
}

internal sealed class DictionaryInterfaceCodec<TKey, TValue> : SequenceCodec<IDictionary<TKey, TValue>, KeyValuePair<TKey, TValue>>
    where TKey : notnull
{
    protected override KeyValuePair<TKey, TValue>[] ToArray(IDictionary<TKey, TValue> value) => [.. value];

    protected override IDictionary<TKey, TValue> Make(KeyValuePair<TKey, TValue>[] items) => new Dictionary<TKey, TValue>(items);
}

internal sealed class ReadOnlyDictionaryCodec<TKey, TValue> : SequenceCodec<IReadOnlyDictionary<TKey, TValue>, KeyValuePair<TKey, TValue>>
    where TKey : notnull
{
    protected override KeyValuePair<TKey, TValue>[] ToArray(IReadOnlyDictionary<TKey, TValue> value) => [.. value];

    protected override IReadOnlyDictionary<TKey, TValue> Make(KeyValuePair<TKey, TValue>[] items) => new Dictionary<TKey, TValue>(items);
}

internal sealed class ImmutableDictionaryCodec<TKey, TValue> : SequenceCodec<ImmutableDictionary<TKey, TValue>, KeyValuePair<TKey, TValue>>
    where TKey : notnull
{
    protected override KeyValuePair<TKey, TValue>[] ToArray(ImmutableDictionary<TKey, TValue> value) => [.. value];

    protected override ImmutableDictionary<TKey, TValue> Make(KeyValuePair<TKey, TValue>[] items) => ImmutableDictionary.CreateRange(items);
}
