using System.Buffers;
using System.Diagnostics.CodeAnalysis;
using Loire.Actors.Serialization;
using Orleans.Runtime;

namespace Loire.Actors;

/// <summary>What an activation leaves for its successor, as bytes: nothing is shared between the two.</summary>
internal sealed class MigrationContext(SiloRuntime runtime, Dictionary<string, byte[]> values) : IDehydrationContext, IRehydrationContext
{
    private readonly Dictionary<string, byte[]> _values = values;

    public MigrationContext(SiloRuntime runtime)
        : this(runtime, new Dictionary<string, byte[]>(StringComparer.Ordinal))
    {
    }

    public Dictionary<string, byte[]> Values => _values;

    /// <summary>How many bytes travel.</summary>
    public long Bytes => _values.Values.Sum(value => (long)value.Length);

    public IEnumerable<string> Keys => _values.Keys;

    public void AddBytes(string key, ReadOnlySpan<byte> value) => _values.Add(key, value.ToArray());

    public void AddBytes<T>(string key, Action<T, IBufferWriter<byte>> valueWriter, T value)
    {
        ArgumentNullException.ThrowIfNull(valueWriter);
        var buffer = new ArrayBufferWriter<byte>();
        valueWriter(value, buffer);
        _values.Add(key, buffer.WrittenSpan.ToArray());
    }

    public bool TryAddValue<T>(string key, T? value)
    {
        if (_values.ContainsKey(key) || !Codecs.TryGet<T>(out var codec))
        {
            return false;
        }

        _values.Add(key, codec.ToBytes(value!));
        return true;
    }

    public bool TryGetBytes(string key, out ReadOnlySequence<byte> value)
    {
        var found = _values.TryGetValue(key, out var bytes);
        value = found ? new ReadOnlySequence<byte>(bytes!) : default;
        return found;
    }

    public bool TryGetValue<T>(string key, [NotNullWhen(true)] out T? value)
    {
        value = default;
        if (!_values.TryGetValue(key, out var bytes) || !Codecs.TryGet<T>(out var codec))
        {
            return false;
        }

        value = codec.FromBytes(bytes, runtime);
        return value is not null;
    }
}
