using Orleans;
using Orleans.Runtime;

namespace Loire.Cli.Bench.Actors;

/// <summary>A grain that does nothing, so that what is measured is the way to it.</summary>
[Alias("loire.bench.v1")]
public interface IBenchGrain : IGrainWithStringKey
{
    /// <summary>How many bytes came.</summary>
    [Alias("length")]
    ValueTask<int> Length([Immutable] byte[] bytes);

    /// <summary>Items, one after the other.</summary>
    [Alias("items")]
    IAsyncEnumerable<int> Items(int count);

    /// <summary>Takes so many bytes along from now on, and moves.</summary>
    [Alias("move")]
    Task Move(int bytes, SiloAddress to);
}

/// <inheritdoc/>
public sealed class BenchGrain : Grain, IBenchGrain, IGrainMigrationParticipant
{
    private byte[] _luggage = [];

    /// <inheritdoc/>
    public ValueTask<int> Length(byte[] bytes) => new(bytes.Length);

    /// <inheritdoc/>
    public async IAsyncEnumerable<int> Items(int count)
    {
        for (var item = 0; item < count; item++)
        {
            yield return item;
        }

        await Task.CompletedTask;
    }

    /// <inheritdoc/>
    public Task Move(int bytes, SiloAddress to)
    {
        _luggage = new byte[bytes];
        RequestContext.Set(Orleans.Runtime.Placement.IPlacementDirector.PlacementHintKey, to);
        MigrateOnIdle();
        return Task.CompletedTask;
    }

    /// <inheritdoc/>
    public void OnDehydrate(IDehydrationContext dehydrationContext) => dehydrationContext.AddBytes("luggage", _luggage);

    /// <inheritdoc/>
    public void OnRehydrate(IRehydrationContext rehydrationContext)
    {
        if (rehydrationContext.TryGetBytes("luggage", out var luggage))
        {
            _luggage = new byte[luggage.Length];
        }
    }
}
