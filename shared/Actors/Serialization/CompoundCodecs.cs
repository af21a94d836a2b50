namespace Loire.Actors.Serialization;

/// <summary>A value that may be missing.</summary>
internal sealed class NullableCodec<T> : Codec<T?>
    where T : struct
{
    private Codec<T>? _value;

    public override WireType Wire => Value.Wire;

    private Codec<T> Value => _value ??= Codecs.Get<T>();

    public override T? Copy(T? value) => value is { } some ? Value.Copy(some) : null;

    public override void Write(WireWriter writer, T? value) => Value.Write(writer, value.GetValueOrDefault());

    public override T? Read(WireReader reader) => Value.Read(reader);
}

/// <summary>A few values side by side.</summary>
internal abstract class PartsCodec<T> : Codec<T>
{
    public sealed override WireType Wire => WireType.Block;

    public sealed override void Write(WireWriter writer, T value)
    {
        var start = writer.BeginBlock();
        WriteParts(writer, value);
        writer.EndBlock(start);
    }

    public sealed override T Read(WireReader reader)
    {
        var end = reader.BeginBlock();
        var value = ReadParts(reader);
        reader.EndBlock(end);
        return value;
    }

    protected static TPart CopyPart<TPart>(TPart part) => part is null ? part : Codecs.Get<TPart>().Copy(part);

    protected static void WritePart<TPart>(WireWriter writer, TPart part) => writer.Nullable(Codecs.Get<TPart>(), part);

    protected static TPart ReadPart<TPart>(WireReader reader) => reader.Nullable(Codecs.Get<TPart>())!;

    protected abstract void WriteParts(WireWriter writer, T value);

    protected abstract T ReadParts(WireReader reader);
}

internal sealed class KeyValuePairCodec<TKey, TValue> : PartsCodec<KeyValuePair<TKey, TValue>>
{
    public override KeyValuePair<TKey, TValue> Copy(KeyValuePair<TKey, TValue> value) => new(CopyPart(value.Key), CopyPart(value.Value));

    protected override void WriteParts(WireWriter writer, KeyValuePair<TKey, TValue> value)
    {
        WritePart(writer, value.Key);
        WritePart(writer, value.Value);
    }

    protected override KeyValuePair<TKey, TValue> ReadParts(WireReader reader) => new(ReadPart<TKey>(reader), ReadPart<TValue>(reader));
}

internal sealed class TupleCodec<T1, T2> : PartsCodec<(T1, T2)>
{
    public override (T1, T2) Copy((T1, T2) value) => (CopyPart(value.Item1), CopyPart(value.Item2));

    protected override void WriteParts(WireWriter writer, (T1, T2) value)
    {
        WritePart(writer, value.Item1);
        WritePart(writer, value.Item2);
    }

    protected override (T1, T2) ReadParts(WireReader reader) => (ReadPart<T1>(reader), ReadPart<T2>(reader));
}

internal sealed class TupleCodec<T1, T2, T3> : PartsCodec<(T1, T2, T3)>
{
    public override (T1, T2, T3) Copy((T1, T2, T3) value) => (CopyPart(value.Item1), CopyPart(value.Item2), CopyPart(value.Item3));

    protected override void WriteParts(WireWriter writer, (T1, T2, T3) value)
    {
        WritePart(writer, value.Item1);
        WritePart(writer, value.Item2);
        WritePart(writer, value.Item3);
    }

    protected override (T1, T2, T3) ReadParts(WireReader reader) => (ReadPart<T1>(reader), ReadPart<T2>(reader), ReadPart<T3>(reader));
}

internal sealed class TupleCodec<T1, T2, T3, T4> : PartsCodec<(T1, T2, T3, T4)>
{
    public override (T1, T2, T3, T4) Copy((T1, T2, T3, T4) value) =>
        (CopyPart(value.Item1), CopyPart(value.Item2), CopyPart(value.Item3), CopyPart(value.Item4));

    protected override void WriteParts(WireWriter writer, (T1, T2, T3, T4) value)
    {
        WritePart(writer, value.Item1);
        WritePart(writer, value.Item2);
        WritePart(writer, value.Item3);
        WritePart(writer, value.Item4);
    }

    protected override (T1, T2, T3, T4) ReadParts(WireReader reader) =>
        (ReadPart<T1>(reader), ReadPart<T2>(reader), ReadPart<T3>(reader), ReadPart<T4>(reader));
}
