using Orleans;
using Orleans.Runtime;
using Orleans.Storage;

namespace Loire.Actors.Redis.Tests;

/// <summary>What every store of grain states promises.</summary>
public abstract class GrainStorageContract
{
    private readonly GrainId _grain = Grains.Id($"key with spaces/and ünïcode {Guid.NewGuid():N}");

    private protected abstract IGrainStorage Store { get; }

    [RedisFact]
    public async Task What_was_never_written_leaves_the_state_as_it_is()
    {
        var state = await ReadAsync(["made by the grain"]);

        Assert.Equal(["made by the grain"], state.State);
        Assert.False(state.RecordExists);
        Assert.Null(state.ETag);
    }

    [RedisFact]
    public async Task What_is_written_is_read_by_the_next_activation_and_what_is_changed_after_is_not()
    {
        var writer = await ReadAsync([]);
        writer.State = ["a", "", "ü"];
        await WriteAsync(writer);
        Assert.True(writer.RecordExists);
        writer.State.Add("not written");

        var reader = await ReadAsync(["made by the grain"]);

        Assert.Equal(["a", "", "ü"], reader.State);
        Assert.True(reader.RecordExists);
        Assert.Equal(writer.ETag, reader.ETag);
    }

    [RedisFact]
    public async Task Each_write_has_a_version_of_its_own_and_only_the_last_is_taken()
    {
        var first = await ReadAsync([]);
        await WriteAsync(first);
        var second = await ReadAsync([]);
        second.State = ["second"];
        var before = second.ETag;
        await WriteAsync(second);
        Assert.NotEqual(before, second.ETag);

        var refused = await Assert.ThrowsAsync<InconsistentStateException>(() => WriteAsync(first));
        await Assert.ThrowsAsync<InconsistentStateException>(() => ClearAsync(first));
        await Assert.ThrowsAsync<InconsistentStateException>(() => WriteAsync(new StoredNotes()));

        Assert.Contains(_grain.ToString(), refused.Message, StringComparison.Ordinal);
        Assert.Contains("'notes'", refused.Message, StringComparison.Ordinal);
        Assert.Equal(["second"], (await ReadAsync([])).State);
    }

    [RedisFact]
    public async Task Of_writers_that_race_one_wins_each_round()
    {
        await WriteAsync(await ReadAsync([]));
        for (var round = 0; round < 20; round++)
        {
            var racers = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => ReadAsync([])));
            var won = await Task.WhenAll(racers.Select(async (racer, i) =>
            {
                racer.State = [$"{round}/{i}"];
                return await Record.ExceptionAsync(() => Task.Run(() => WriteAsync(racer)));
            }));

            var winner = Assert.Single(Enumerable.Range(0, racers.Length), i => won[i] is null);
            Assert.All(won.OfType<Exception>(), lost => Assert.IsType<InconsistentStateException>(lost));
            Assert.Equal([$"{round}/{winner}"], (await ReadAsync([])).State);
        }
    }

    [RedisFact]
    public async Task What_is_cleared_is_not_there_and_can_be_written_again_but_not_by_one_who_read_it_before()
    {
        var state = await ReadAsync([]);
        await WriteAsync(state);
        var late = await ReadAsync([]);
        await ClearAsync(state);
        Assert.False(state.RecordExists);

        Assert.False((await ReadAsync([])).RecordExists);
        await Assert.ThrowsAsync<InconsistentStateException>(() => WriteAsync(late));
        state.State = ["again"];
        await WriteAsync(state);
        Assert.Equal(["again"], (await ReadAsync([])).State);
    }

    [RedisFact]
    public async Task Clearing_what_is_not_there_is_no_conflict()
    {
        var state = await ReadAsync([]);
        await ClearAsync(state);
        await ClearAsync(state);

        Assert.False((await ReadAsync([])).RecordExists);
    }

    [RedisFact]
    public async Task States_of_one_grain_and_grains_of_one_state_are_apart()
    {
        await WriteAsync(await ReadAsync([]));
        var other = new StoredNotes();
        await Store.ReadStateAsync("others", _grain, other);
        Assert.False(other.RecordExists);
        await Store.ReadStateAsync("notes", Grains.Id("another"), other);
        Assert.False(other.RecordExists);
    }

    [RedisFact]
    public async Task A_state_that_is_null_comes_back_as_null_and_exists()
    {
        var state = new StoredNotes { State = null! };
        await WriteAsync(state);

        var reader = await ReadAsync(["made by the grain"]);
        Assert.Null(reader.State);
        Assert.True(reader.RecordExists);
    }

    private protected async Task<StoredNotes> ReadAsync(List<string> initial)
    {
        var state = new StoredNotes { State = initial };
        await Store.ReadStateAsync("notes", _grain, state);
        return state;
    }

    private protected Task WriteAsync(StoredNotes state) => Store.WriteStateAsync("notes", _grain, state);

    private protected Task ClearAsync(StoredNotes state) => Store.ClearStateAsync("notes", _grain, state);

    private protected GrainId GrainKey => _grain;

    private protected string GrainText => _grain.ToString();
}

/// <summary>A state as a grain has it.</summary>
internal sealed class StoredNotes : IGrainState<List<string>>
{
    public List<string> State { get; set; } = [];

    public string? ETag { get; set; }

    public bool RecordExists { get; set; }
}

/// <summary>The contract, in memory.</summary>
public sealed class MemoryGrainStorageTests : GrainStorageContract
{
    private protected override IGrainStorage Store { get; } = new MemoryGrainStorage();
}
