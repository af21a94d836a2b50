using System.Runtime.CompilerServices;
using Orleans;
using Orleans.Concurrency;
using Orleans.Runtime;

namespace Loire.Actors.Tests;

public interface ICallGrain : IGrainWithStringKey
{
    Task<string> Key();

    Task<int> Add(int left, int right);

    ValueTask<int> AddValue(int left, int right);

    ValueTask Nothing();

    Task<int> Length([Immutable] byte[] bytes);

    ValueTask<int> LengthValue([Immutable] byte[] bytes);

    Task Fail(string message);

    Task<string> Hold(string name);

    [ReadOnly]
    Task<string> Read(string name);

    [AlwaysInterleave]
    Task<string> Interleave(string name);

    [OneWay]
    Task Tell(string name);

    Task<bool> ComesBack();

    Task<string?> ContextValue(string key);

    Task<string?> ContextThrough(string other, string key);

    Task<string> HoldUntilCancelled(string name, CancellationToken cancellationToken);

    [ResponseTimeout("00:00:02")]
    Task Impatient(string gate);

    Task<string> CallBack(string other, bool allow);

    Task<string> CallInto(string back);

    Task<string> Identity();

    Task<bool> PassSelf(ICallGrain other);

    Task<ICallGrain> Self();

    Task Block(string name);

    Task<List<int>> Mutable(List<int> numbers);

    Task<Tree> Echo(Tree tree);

    Task<Leaf> EchoImmutable(Leaf leaf);

    [return: Immutable]
    Task<int[]> Shared([Immutable] int[] numbers);
}

[GenerateSerializer, Alias("test.tree")]
public sealed class Tree
{
    [Id(0)]
    public string Name { get; set; } = "";

    [Id(1)]
    public List<Tree> Children { get; init; } = [];

    [Id(2)]
    public Dictionary<string, int[]> Numbers { get; init; } = [];
}

[GenerateSerializer, Immutable, Alias("test.leaf")]
public sealed record Leaf([property: Id(0)] string Name, [property: Id(1)] int[] Numbers);

internal sealed class CallGrain(Board board) : Grain, ICallGrain
{
    private static readonly SemaphoreSlim Blocked = new(0);

    public static void Unblock() => Blocked.Release();

    public Task<string> Key() => Task.FromResult(this.GetPrimaryKeyString());

    public Task<int> Add(int left, int right) => Task.FromResult(left + right);

    public ValueTask<int> AddValue(int left, int right) => new(left + right);

    public ValueTask Nothing() => default;

    public Task<int> Length(byte[] bytes) => Task.FromResult(bytes.Length & 1);

    public ValueTask<int> LengthValue(byte[] bytes) => new(bytes.Length);

    public async Task Fail(string message)
    {
        await Task.Yield();
        throw new InvalidOperationException(message);
    }

    public Task<string> Hold(string name) => HoldAsync(name);

    public Task<string> Read(string name) => HoldAsync(name);

    public Task<string> Interleave(string name) => HoldAsync(name);

    public Task Tell(string name)
    {
        board.Open(name);
        throw new InvalidOperationException("Nobody hears this.");
    }

    public async Task<bool> ComesBack()
    {
        var before = TaskScheduler.Current;
        await Task.Yield();
        await Task.Run(() => { });
        var inner = await Task.Factory.StartNew(() => TaskScheduler.Current);
        return before is ActivationScheduler && TaskScheduler.Current == before && inner == before;
    }

    public async Task<string?> ContextValue(string key)
    {
        await Task.Yield();
        return RequestContext.Get(key) as string;
    }

    public async Task<string?> ContextThrough(string other, string key)
    {
        var seen = await GrainFactory.GetGrain<ICallGrain>(other).ContextValue(key);
        RequestContext.Set(key, "changed by the grain");
        return seen;
    }

    public async Task<string> HoldUntilCancelled(string name, CancellationToken cancellationToken)
    {
        var scheduler = TaskScheduler.Current;
        var cancelled = new TaskCompletionSource();
        await using var registration = cancellationToken.Register(() =>
        {
            board.Note(TaskScheduler.Current == scheduler ? "on the grain's scheduler" : "elsewhere");
            cancelled.TrySetResult();
        });
        board.Open($"{name} holds");
        await cancelled.Task;
        board.Open($"{name} was cancelled");
        return name;
    }

    public Task Impatient(string gate) => board.Passed(gate);

    public async Task<string> CallBack(string other, bool allow)
    {
        if (!allow)
        {
            return await GrainFactory.GetGrain<ICallGrain>(other).CallInto(this.GetPrimaryKeyString());
        }

        using var section = RequestContext.AllowCallChainReentrancy();
        return await GrainFactory.GetGrain<ICallGrain>(other).CallInto(this.GetPrimaryKeyString());
    }

    public Task<string> CallInto(string back) => GrainFactory.GetGrain<ICallGrain>(back).Key();

    public Task<string> Identity() => Task.FromResult(GrainContext.ActivationId.ToString());

    public async Task<bool> PassSelf(ICallGrain other) => (await other.Self()).Equals(other) && await other.Key() == other.GetPrimaryKeyString();

    public Task<ICallGrain> Self() => Task.FromResult<ICallGrain>(this);

    public Task Block(string name)
    {
        board.Open(name);
        Blocked.Wait();
        return Task.CompletedTask;
    }

    public Task<List<int>> Mutable(List<int> numbers)
    {
        numbers.Add(99);
        return Task.FromResult(numbers);
    }

    public Task<Tree> Echo(Tree tree)
    {
        tree.Name += " seen";
        return Task.FromResult(tree);
    }

    public Task<Leaf> EchoImmutable(Leaf leaf) => Task.FromResult(leaf);

    public Task<int[]> Shared(int[] numbers) => Task.FromResult(numbers);

    private async Task<string> HoldAsync(string name)
    {
        board.Note($"{name} begins");
        board.Open($"{name} begins");
        await board.Passed($"{name} may end");
        board.Note($"{name} ends");
        return name;
    }
}

public interface IReentrantGrain : IGrainWithStringKey
{
    Task<string> Hold(string name);
}

[Reentrant]
internal sealed class ReentrantGrain(Board board) : Grain, IReentrantGrain
{
    public async Task<string> Hold(string name)
    {
        board.Open($"{name} begins");
        await board.Passed($"{name} may end");
        return name;
    }
}

public interface IWorkerGrain : IGrainWithStringKey
{
    Task<string> Hold(string name);
}

[StatelessWorker(2)]
internal sealed class WorkerGrain(Board board) : Grain, IWorkerGrain
{
    public async Task<string> Hold(string name)
    {
        board.Open($"{name} begins");
        await board.Passed($"{name} may end");
        return GrainContext.ActivationId.ToString();
    }
}

public interface IStreamGrain : IGrainWithStringKey
{
    IAsyncEnumerable<int> Count(int to, CancellationToken cancellationToken = default);

    IAsyncEnumerable<int> Gated(int count);

    IAsyncEnumerable<int> FailAfter(int count);

    IAsyncEnumerable<Tree> Trees();

    Task<int> Ping();

    Task End();
}

internal sealed class StreamGrain(Board board) : Grain, IStreamGrain
{
    private readonly Tree _tree = new() { Name = "kept" };

    public override Task OnDeactivateAsync(DeactivationReason reason, CancellationToken cancellationToken)
    {
        board.Note(board.Passed("finally").IsCompleted ? "ended after its streams" : "ended before its streams");
        return Task.CompletedTask;
    }

    public async IAsyncEnumerable<int> Count(int to, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        try
        {
            for (var item = 0; item < to; item++)
            {
                cancellationToken.ThrowIfCancellationRequested();
                board.Note($"made {item}");
                yield return item;
            }

            board.Open("waits for cancellation");
            if (to >= 1_000)
            {
                await Task.Delay(Timeout.InfiniteTimeSpan, cancellationToken);
            }
        }
        finally
        {
            board.Open("finally");
        }
    }

    public async IAsyncEnumerable<int> Gated(int count)
    {
        try
        {
            for (var item = 0; item < count; item++)
            {
                board.Open($"awaits gate {item}");
                await board.Passed($"gate {item}");
                yield return item;
            }
        }
        finally
        {
            board.Open("finally");
        }
    }

    public async IAsyncEnumerable<int> FailAfter(int count)
    {
        for (var item = 0; item < count; item++)
        {
            yield return item;
        }

        await Task.Yield();
        throw new InvalidOperationException($"failed after {count}");
    }

    public async IAsyncEnumerable<Tree> Trees()
    {
        yield return _tree;
        await Task.Yield();
        yield return _tree;
    }

    public Task<int> Ping() => Task.FromResult(1);

    public Task End()
    {
        DeactivateOnIdle();
        return Task.CompletedTask;
    }
}
