using Orleans.Runtime;

namespace Loire.Actors.Serialization;

/// <summary>Copies, writes and reads values of one type.</summary>
public abstract class Codec
{
    internal abstract Type ValueType { get; }

    /// <summary>The type's name on the wire, where one has to be written.</summary>
    internal string Alias { get; set; } = "";

    internal abstract object CopyBoxed(object value);

    internal abstract void WriteBoxed(WireWriter writer, object value);

    internal abstract object ReadBoxed(WireReader reader);
}

/// <inheritdoc/>
public abstract class Codec<T> : Codec
{
    /// <summary>How the bytes of a value end.</summary>
    public abstract WireType Wire { get; }

    internal sealed override Type ValueType => typeof(T);

    /// <summary>A value that shares nothing that can change with the one given, which is not null. Values are trees: a cycle is not supported.</summary>
    public abstract T Copy(T value);

    /// <summary>Writes a value, which is not null.</summary>
    public abstract void Write(WireWriter writer, T value);

    /// <summary>Reads a value.</summary>
    public abstract T Read(WireReader reader);

    internal byte[] ToBytes(T value)
    {
        var writer = new WireWriter();
        writer.Nullable(this, value);
        return writer.Written.ToArray();
    }

    internal T? FromBytes(ReadOnlyMemory<byte> bytes, SiloRuntime runtime) => new WireReader(bytes, runtime).Nullable(this);

    internal sealed override object CopyBoxed(object value) => Copy((T)value)!;

    internal sealed override void WriteBoxed(WireWriter writer, object value) => Write(writer, (T)value);

    internal sealed override object ReadBoxed(WireReader reader) => Read(reader)!;
}

/// <summary>A codec of a type with numbered members; generated code derives one a type.</summary>
/// <remarks>A class that others derive from is written with the name of what it really is, and only types with a codec are read.</remarks>
public abstract class ObjectCodec<T> : Codec<T>
    where T : notnull
{
    private static readonly bool IsExact = typeof(T).IsValueType || typeof(T).IsSealed;

    /// <inheritdoc/>
    public sealed override WireType Wire => WireType.Block;

    /// <inheritdoc/>
    public sealed override T Copy(T value) =>
        IsExact || value.GetType() == typeof(T) ? CopyMembers(value) : (T)Codecs.Of(value.GetType()).CopyBoxed(value);

    /// <inheritdoc/>
    public sealed override void Write(WireWriter writer, T value)
    {
        ArgumentNullException.ThrowIfNull(writer);
        var start = writer.BeginBlock();
        if (IsExact)
        {
            WriteMembers(writer, value);
            writer.EndFields();
        }
        else if (value.GetType() == typeof(T))
        {
            writer.Text("");
            WriteMembers(writer, value);
            writer.EndFields();
        }
        else
        {
            var codec = Codecs.Of(value.GetType());
            writer.Text(codec.Alias);
            codec.WriteBoxed(writer, value);
        }

        writer.EndBlock(start);
    }

    /// <inheritdoc/>
    public sealed override T Read(WireReader reader)
    {
        ArgumentNullException.ThrowIfNull(reader);
        var end = reader.BeginBlock();
        var alias = IsExact ? "" : reader.Text();
        var value = alias.Length == 0
            ? ReadMembers(reader)
            : Codecs.Named(alias) is { } codec && typeof(T).IsAssignableFrom(codec.ValueType)
                ? (T)codec.ReadBoxed(reader)
                : throw new OrleansException($"The message holds a '{alias}' where a {typeof(T).FullName} belongs.");
        reader.EndBlock(end);
        return value;
    }

    /// <summary>Copies a value of exactly this type.</summary>
    protected abstract T CopyMembers(T value);

    /// <summary>Writes the fields of a value of exactly this type.</summary>
    protected abstract void WriteMembers(WireWriter writer, T value);

    /// <summary>Reads fields up to their end; those that are not known are skipped, those that are missing stay default.</summary>
    protected abstract T ReadMembers(WireReader reader);

    /// <summary>For types that are never made themselves.</summary>
    protected static OrleansException Abstract() => new($"{typeof(T).FullName} is abstract: only types derived from it are passed.");
}
