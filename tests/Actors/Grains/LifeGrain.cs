using System.Globalization;
using Orleans;
using Orleans.Concurrency;
using Orleans.Runtime;

namespace Loire.Actors.Tests;

public interface ILifeGrain : IGrainWithStringKey
{
    Task<string> Identity();

    Task End();

    Task Keep(TimeSpan span);

    Task<int> Count();

    Task Move(SiloAddress? to);

    Task Hold(string name);

    Task StartTimer(TimeSpan due, TimeSpan period, bool interleave, bool keepAlive);

    Task StopTimer();
}

/// <summary>Says on the board when it begins and ends. A key that begins with "fails" makes it fail to begin, the first time.</summary>
[CollectionAgeLimit(Minutes = 2)]
internal sealed class LifeGrain(Board board) : Grain, ILifeGrain, IGrainMigrationParticipant, IDisposable
{
    private int _count;
    private IGrainTimer? _timer;

    public override async Task OnActivateAsync(CancellationToken cancellationToken)
    {
        var key = this.GetPrimaryKeyString();
        await Task.Yield();
        if (key.StartsWith("fails", StringComparison.Ordinal) && !board.Notes.Contains($"{key} failed"))
        {
            board.Note($"{key} failed");
            throw new InvalidOperationException($"{key} cannot begin");
        }

        if (key.StartsWith("hangs", StringComparison.Ordinal))
        {
            board.Open("hangs");
            await board.Passed($"{key} may begin").WaitAsync(cancellationToken);
        }

        board.Note($"{key} began");
    }

    public override Task OnDeactivateAsync(DeactivationReason reason, CancellationToken cancellationToken)
    {
        board.Note($"{this.GetPrimaryKeyString()} ended: {reason.ReasonCode}");
        board.Open($"{this.GetPrimaryKeyString()} ended");
        return Task.CompletedTask;
    }

    public Task<string> Identity() => Task.FromResult(GrainContext.ActivationId.ToString());

    public Task End()
    {
        DeactivateOnIdle();
        return Task.CompletedTask;
    }

    public Task Keep(TimeSpan span)
    {
        DelayDeactivation(span);
        return Task.CompletedTask;
    }

    public Task<int> Count() => Task.FromResult(++_count);

    public Task Move(SiloAddress? to)
    {
        if (to is not null)
        {
            RequestContext.Set(Orleans.Runtime.Placement.IPlacementDirector.PlacementHintKey, to);
        }

        MigrateOnIdle();
        return Task.CompletedTask;
    }

    public async Task Hold(string name)
    {
        board.Open($"{name} begins");
        await board.Passed($"{name} may end");
        board.Note($"{name} ends");
    }

    public Task StartTimer(TimeSpan due, TimeSpan period, bool interleave, bool keepAlive)
    {
        _timer = this.RegisterGrainTimer(
            state =>
            {
                state.Note($"tick {++_count}");
                state.Open(string.Create(CultureInfo.InvariantCulture, $"tick {_count}"));
                return Task.CompletedTask;
            },
            board,
            new GrainTimerCreationOptions(due, period) { Interleave = interleave, KeepAlive = keepAlive });
        return Task.CompletedTask;
    }

    public Task StopTimer()
    {
        _timer?.Dispose();
        return Task.CompletedTask;
    }

    public void OnDehydrate(IDehydrationContext dehydrationContext)
    {
        dehydrationContext.TryAddValue("count", _count);
        dehydrationContext.AddBytes("bytes", [1, 2, 3]);
    }

    public void OnRehydrate(IRehydrationContext rehydrationContext)
    {
        Assert.True(rehydrationContext.TryGetBytes("bytes", out var bytes) && bytes.Length == 3);
        Assert.True(rehydrationContext.TryGetValue("count", out _count));
        Assert.False(rehydrationContext.TryGetValue<int>("missing", out _));
    }

    public void Dispose() => board.Note($"{this.GetPrimaryKeyString()} disposed");
}

public interface IKeptGrain : IGrainWithStringKey
{
    Task Ping();
}

[KeepAlive]
internal sealed class KeptGrain : Grain, IKeptGrain
{
    public Task Ping() => Task.CompletedTask;
}

[GenerateSerializer, Alias("test.notebook")]
public sealed class Notebook
{
    [Id(0)]
    public List<string> Lines { get; set; } = [];
}

public interface INotebookGrain : IGrainWithStringKey
{
    Task<string[]> Lines();

    Task Add(string line, bool write);

    Task Clear();

    Task End();

    Task Move();

    Task Conflict();
}

internal sealed class NotebookGrain([PersistentState("notebook")] IPersistentState<Notebook> notebook) : Grain, INotebookGrain
{
    [ReadOnly]
    public Task<string[]> Lines() => Task.FromResult<string[]>([.. notebook.State.Lines]);

    public async Task Add(string line, bool write)
    {
        notebook.State.Lines.Add(line);
        if (write)
        {
            await notebook.WriteStateAsync();
        }
    }

    public Task Clear() => notebook.ClearStateAsync();

    public Task End()
    {
        DeactivateOnIdle();
        return Task.CompletedTask;
    }

    public Task Move()
    {
        MigrateOnIdle();
        return Task.CompletedTask;
    }

    public async Task Conflict()
    {
        var state = (IGrainState<Notebook>)notebook;
        var tag = state.ETag;
        state.ETag = "another";
        try
        {
            await notebook.WriteStateAsync();
        }
        finally
        {
            state.ETag = tag;
        }
    }
}

public interface IWatcher : IGrainObserver
{
    void Saw(string what);

    Task<int> Ask(int number);
}

public interface IWatchedGrain : IGrainWithStringKey
{
    Task<int> TellAndAsk(IWatcher watcher, string what, int number);
}

internal sealed class WatchedGrain : Grain, IWatchedGrain
{
    public Task<int> TellAndAsk(IWatcher watcher, string what, int number)
    {
        watcher.Saw(what);
        return watcher.Ask(number);
    }
}

public interface IPlacedGrain : IGrainWithStringKey
{
    Task<string> Where();
}

public sealed class FirstSiloPlacement : PlacementStrategy;

[AttributeUsage(AttributeTargets.Class)]
public sealed class FirstSiloPlacementAttribute() : Orleans.Placement.PlacementAttribute(new FirstSiloPlacement());

[FirstSiloPlacement]
internal sealed class PlacedGrain : Grain, IPlacedGrain
{
    public Task<string> Where() => Task.FromResult(RuntimeIdentity);
}
