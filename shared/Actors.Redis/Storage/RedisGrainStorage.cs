using Loire.Actors.Serialization;
using Orleans;
using Orleans.Configuration;
using Orleans.Persistence;
using Orleans.Runtime;
using Orleans.Storage;
using StackExchange.Redis;

namespace Loire.Actors.Redis;

/// <summary>States of grains in Redis: one hash a state, with its version (<c>etag</c>) and its bytes (<c>data</c>), absent when it is cleared.</summary>
/// <remarks>
/// A write is one script that compares and swaps the version. Each write names its new version itself, so that the same write, sent again
/// on another connection since its answer was lost, is answered again and is no conflict.
/// </remarks>
internal sealed class RedisGrainStorage(string name, RedisStorageOptions options, ClusterOptions cluster, RedisLink link, SiloRuntime? runtime)
    : IGrainStorage, IAsyncDisposable, IDisposable
{
    /// <summary>Most bytes of one state. Redis serves nobody else while it moves a value; model state belongs into checkpoints.</summary>
    internal const int MostBytes = 8 << 20;

    private readonly long _expiry = (long)(options.EntryExpiry ?? TimeSpan.Zero).TotalMilliseconds;

    /// <exception cref="RedisUnavailableException">No answer in time, or a refusal.</exception>
    /// <exception cref="RedisStorageException">What is stored is no state of this type.</exception>
    public async Task ReadStateAsync<T>(string stateName, GrainId grainId, IGrainState<T> grainState)
    {
        ArgumentNullException.ThrowIfNull(grainState);
        var key = KeyOf(stateName, grainId);
        var found = (await link.EvalAsync(RedisScript.StateRead, [key], [], $"Reading state '{stateName}' of {grainId}")).Parts();
        var data = (byte[]?)found[1];
        if (data is not null)
        {
            grainState.State = Decode<T>(data, stateName, grainId, key);
        }

        grainState.ETag = (string?)found[0];
        grainState.RecordExists = data is not null;
    }

    /// <exception cref="InconsistentStateException">The state was written or cleared since it was read.</exception>
    /// <exception cref="RedisStorageException">The state is larger than <see cref="MostBytes"/>; nothing is written.</exception>
    /// <exception cref="RedisUnavailableException">No answer in time, or a refusal. It may be written all the same: read it again.</exception>
    public async Task WriteStateAsync<T>(string stateName, GrainId grainId, IGrainState<T> grainState)
    {
        ArgumentNullException.ThrowIfNull(grainState);
        var bytes = Codecs.Get<T>().ToBytes(grainState.State);
        if (bytes.Length > MostBytes)
        {
            throw new RedisStorageException(
                $"State '{stateName}' of {grainId} has {bytes.Length} bytes; store '{name}' takes at most {MostBytes}. Keep less in one state, or divide it over several.");
        }

        var next = NewETag();
        var outcome = await link.EvalAsync(
            RedisScript.StateWrite, [KeyOf(stateName, grainId)], [grainState.ETag ?? "", next, bytes, _expiry], $"Writing state '{stateName}' of {grainId}");
        ThrowIfConflict(outcome, stateName, grainId, grainState.ETag);
        grainState.ETag = next;
        grainState.RecordExists = true;
    }

    /// <exception cref="InconsistentStateException">The state was written or cleared since it was read.</exception>
    /// <exception cref="RedisUnavailableException">No answer in time, or a refusal. It may be cleared all the same: read it again.</exception>
    public async Task ClearStateAsync<T>(string stateName, GrainId grainId, IGrainState<T> grainState)
    {
        ArgumentNullException.ThrowIfNull(grainState);
        var next = options.DeleteStateOnClear ? "" : NewETag();
        var outcome = (await link.EvalAsync(
            RedisScript.StateClear, [KeyOf(stateName, grainId)], [grainState.ETag ?? "", next], $"Clearing state '{stateName}' of {grainId}")).Parts();
        ThrowIfConflict(outcome[0], stateName, grainId, grainState.ETag);
        grainState.ETag = (string?)outcome[1];
        grainState.RecordExists = false;
    }

    /// <summary>For tests: where the scripts run.</summary>
    internal RedisLink Link => link;

    public ValueTask DisposeAsync() => link.DisposeAsync();

    /// <summary>For containers that dispose synchronously: ends, but does not wait.</summary>
    public void Dispose() => link.Dispose();

    private static string NewETag() => Guid.NewGuid().ToString("N");

    /// <param name="outcome">Nothing when it was done, else the version that is there; empty for none.</param>
    /// <param name="stateName">The state.</param>
    /// <param name="grainId">Whose it is.</param>
    /// <param name="expected">The version that was to be there.</param>
    private static void ThrowIfConflict(RedisResult outcome, string stateName, GrainId grainId, string? expected)
    {
        if (!outcome.IsNull)
        {
            throw new InconsistentStateException(
                $"State '{stateName}' of {grainId} was changed since it was read: deactivate, and read it again.", outcome.Text() is { Length: > 0 } stored ? stored : null, expected);
        }
    }

    private T Decode<T>(byte[] data, string stateName, GrainId grainId, RedisKey key)
    {
        try
        {
            return new WireReader(data, runtime).Nullable(Codecs.Get<T>())!; // what was written as null comes back as null
        }
        catch (OrleansException damaged)
        {
            throw new RedisStorageException(
                $"State '{stateName}' of {grainId}, {data.Length} bytes at '{key}', cannot be read as {typeof(T).Name}: {damaged.Message} Look at it, and delete it if it is lost.", damaged);
        }
    }

    private RedisKey KeyOf(string stateName, GrainId grainId) =>
        options.GetStorageKey?.Invoke(stateName, grainId) ?? $"loire:1:state:{cluster.ServiceId}:{grainId}/{stateName}";
}
