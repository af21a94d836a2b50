using System.Collections.Concurrent;
using System.Globalization;
using Loire.Actors.Serialization;
using Orleans;
using Orleans.Runtime;
using Orleans.Storage;

namespace Loire.Actors;

/// <summary>A store in memory. It keeps copies, so that what a grain changes is not stored until it writes.</summary>
internal sealed class MemoryGrainStorage : IGrainStorage
{
    private readonly ConcurrentDictionary<(string State, GrainId Grain), Record> _records = new();
    private long _version;

    public Task ReadStateAsync<T>(string stateName, GrainId grainId, IGrainState<T> grainState)
    {
        ArgumentNullException.ThrowIfNull(grainState);
        if (_records.TryGetValue((stateName, grainId), out var record))
        {
            grainState.State = Copy((T)record.State!);
            grainState.ETag = record.ETag;
            grainState.RecordExists = true;
        }
        else
        {
            grainState.ETag = null;
            grainState.RecordExists = false;
        }

        return Task.CompletedTask;
    }

    public Task WriteStateAsync<T>(string stateName, GrainId grainId, IGrainState<T> grainState)
    {
        ArgumentNullException.ThrowIfNull(grainState);
        var record = new Record(Copy(grainState.State), Interlocked.Increment(ref _version).ToString(CultureInfo.InvariantCulture));
        var key = (stateName, grainId);
        var written = grainState.ETag is null
            ? _records.TryAdd(key, record)
            : _records.TryGetValue(key, out var current) && current.ETag == grainState.ETag && _records.TryUpdate(key, record, current);
        if (!written)
        {
            throw Conflict(key, grainState.ETag);
        }

        grainState.ETag = record.ETag;
        grainState.RecordExists = true;
        return Task.CompletedTask;
    }

    public Task ClearStateAsync<T>(string stateName, GrainId grainId, IGrainState<T> grainState)
    {
        ArgumentNullException.ThrowIfNull(grainState);
        var key = (stateName, grainId);
        if (_records.TryGetValue(key, out var current) && (current.ETag != grainState.ETag || !_records.TryRemove(new(key, current))))
        {
            throw Conflict(key, grainState.ETag);
        }

        grainState.ETag = null;
        grainState.RecordExists = false;
        return Task.CompletedTask;
    }

    private static T Copy<T>(T state) => state is null ? state : Codecs.Get<T>().Copy(state);

    private InconsistentStateException Conflict((string State, GrainId Grain) key, string? expected) => new(
        $"State '{key.State}' of {key.Grain} was changed since it was read: deactivate, and read it again.",
        _records.GetValueOrDefault(key)?.ETag,
        expected);

    private sealed record Record(object? State, string ETag);
}
