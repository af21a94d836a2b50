using System.Buffers;
using System.Diagnostics.CodeAnalysis;

namespace Orleans.Runtime;

/// <summary>Takes values along when an activation moves. Only references to large state: never the state itself.</summary>
public interface IGrainMigrationParticipant
{
    /// <summary>Called on the activation that ends, after its last call and before its deactivation.</summary>
    void OnDehydrate(IDehydrationContext dehydrationContext);

    /// <summary>Called on the new activation, before it activates.</summary>
    void OnRehydrate(IRehydrationContext rehydrationContext);
}

/// <summary>Where an activation that ends leaves its values.</summary>
public interface IDehydrationContext
{
    /// <summary>The names of what is there.</summary>
    IEnumerable<string> Keys { get; }

    /// <summary>Adds bytes.</summary>
    /// <exception cref="ArgumentException">The name is taken.</exception>
    void AddBytes(string key, ReadOnlySpan<byte> value);

    /// <summary>Adds what a writer writes.</summary>
    /// <exception cref="ArgumentException">The name is taken.</exception>
    void AddBytes<T>(string key, Action<T, IBufferWriter<byte>> valueWriter, T value);

    /// <summary>Adds a value; false if the name is taken or the type cannot travel.</summary>
    bool TryAddValue<T>(string key, T? value);
}

/// <summary>Where a new activation finds the values of the one before it.</summary>
public interface IRehydrationContext
{
    /// <summary>The names of what is there.</summary>
    IEnumerable<string> Keys { get; }

    /// <summary>The bytes of this name.</summary>
    bool TryGetBytes(string key, out ReadOnlySequence<byte> value);

    /// <summary>The value of this name.</summary>
    bool TryGetValue<T>(string key, [NotNullWhen(true)] out T? value);
}
