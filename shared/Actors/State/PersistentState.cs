namespace Orleans.Core
{
    /// <summary>A record in a store, and what is known of it.</summary>
    public interface IStorage
    {
        /// <summary>The version of the record as last read or written.</summary>
        string? Etag { get; }

        /// <summary>Whether the record was there when last read or written.</summary>
        bool RecordExists { get; }

        /// <summary>Deletes the record.</summary>
        Task ClearStateAsync();

        /// <summary>Writes the state.</summary>
        /// <exception cref="Storage.InconsistentStateException">Somebody else wrote since.</exception>
        Task WriteStateAsync();

        /// <summary>Reads the state again.</summary>
        Task ReadStateAsync();

        /// <inheritdoc cref="ClearStateAsync()"/>
        Task ClearStateAsync(CancellationToken cancellationToken) => ClearStateAsync();

        /// <inheritdoc cref="WriteStateAsync()"/>
        Task WriteStateAsync(CancellationToken cancellationToken) => WriteStateAsync();

        /// <inheritdoc cref="ReadStateAsync()"/>
        Task ReadStateAsync(CancellationToken cancellationToken) => ReadStateAsync();
    }

    /// <summary>A record in a store, and its state in memory.</summary>
    public interface IStorage<TState> : IStorage
    {
        /// <summary>The state in memory: changed freely, stored when asked.</summary>
        TState State { get; set; }
    }
}

namespace Orleans.Runtime
{
    /// <summary>A grain's stored state, read before the grain activates.</summary>
    public interface IPersistentState<TState> : Core.IStorage<TState>;

    /// <summary>Names the state and its store on a constructor parameter of type <see cref="IPersistentState{TState}"/>.</summary>
    [AttributeUsage(AttributeTargets.Parameter)]
    public class PersistentStateAttribute(string stateName, string? storageName = null) : Attribute
    {
        /// <summary>The name of the state within the grain.</summary>
        public string StateName { get; } = stateName;

        /// <summary>The name of the store; null for the default one.</summary>
        public string? StorageName { get; } = storageName;
    }
}
