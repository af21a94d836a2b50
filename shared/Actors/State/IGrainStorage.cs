using Orleans.Runtime;

namespace Orleans
{
    /// <summary>A grain's state with what the store knows of it.</summary>
    public interface IGrainState<T>
    {
        /// <summary>The state.</summary>
        T State { get; set; }

        /// <summary>The version of the record.</summary>
        string? ETag { get; set; }

        /// <summary>Whether the record is there.</summary>
        bool RecordExists { get; set; }
    }
}

namespace Orleans.Storage
{
    /// <summary>A store of grain states, registered as a keyed service under its name.</summary>
    public interface IGrainStorage
    {
        /// <summary>Reads the record, or leaves the state as it is when there is none.</summary>
        Task ReadStateAsync<T>(string stateName, GrainId grainId, IGrainState<T> grainState);

        /// <summary>Writes the record if its version is the state's.</summary>
        /// <exception cref="InconsistentStateException">It is another one.</exception>
        Task WriteStateAsync<T>(string stateName, GrainId grainId, IGrainState<T> grainState);

        /// <summary>Deletes the record if its version is the state's.</summary>
        /// <exception cref="InconsistentStateException">It is another one.</exception>
        Task ClearStateAsync<T>(string stateName, GrainId grainId, IGrainState<T> grainState);
    }

    internal static class GrainStorageNames
    {
        /// <summary>The store of states that name none.</summary>
        public const string Default = "Default";
    }
}
