using Orleans;
using Orleans.Concurrency;

namespace Loire.Actors.Tests;

public interface IRandomGrain : IGrainWithStringKey
{
    Task<int> Work(int yields, int number);

    ValueTask<int> WorkValue(int number);

    Task<int> Cancellable(int yields, int number, CancellationToken cancellationToken);

    Task<int> CallOn(string other, int number);

    [ReadOnly]
    Task<int> Read(int yields, int number);

    Task Fail();

    Task End();

    Task Move();

    IAsyncEnumerable<int> Stream(int count);
}

/// <summary>Notices when two turns of it run at once, or when a call runs beside one that keeps others out.</summary>
internal sealed class RandomGrain(RandomLives lives) : Grain, IRandomGrain
{
    private int _turns;
    private int _writers;
    private int _readers;

    public async Task<int> Work(int yields, int number)
    {
        Enter(ref _writers, others: 0);
        for (var step = 0; step < yields; step++)
        {
            await Task.Yield();
            Turn();
        }

        _writers--;
        return number;
    }

    public ValueTask<int> WorkValue(int number)
    {
        Enter(ref _writers, others: 0);
        Turn();
        _writers--;
        return new ValueTask<int>(number);
    }

    public async Task<int> Cancellable(int yields, int number, CancellationToken cancellationToken)
    {
        Enter(ref _writers, others: 0);
        try
        {
            for (var step = 0; step < yields; step++)
            {
                cancellationToken.ThrowIfCancellationRequested();
                await Task.Yield();
                Turn();
            }

            return number;
        }
        finally
        {
            _writers--;
        }
    }

    public async Task<int> CallOn(string other, int number)
    {
        Enter(ref _writers, others: 0);
        try
        {
            return await GrainFactory.GetGrain<IRandomGrain>(other).WorkValue(number);
        }
        finally
        {
            Turn();
            _writers--;
        }
    }

    public async Task<int> Read(int yields, int number)
    {
        lives.Check(_writers == 0, "a reader starts beside a writer");
        _readers++;
        for (var step = 0; step < yields; step++)
        {
            await Task.Yield();
            Turn();
        }

        _readers--;
        return number;
    }

    public Task Fail()
    {
        Turn();
        throw new InvalidOperationException("meant to fail");
    }

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

    public async IAsyncEnumerable<int> Stream(int count)
    {
        lives.StreamBegan();
        try
        {
            for (var item = 0; item < count; item++)
            {
                if (item % 3 == 0)
                {
                    await Task.Yield();
                }

                Turn();
                yield return item;
            }
        }
        finally
        {
            lives.StreamEnded();
        }
    }

    private void Enter(ref int kind, int others)
    {
        Turn();
        lives.Check(kind == others && _readers == 0, "a writer starts beside another call");
        kind++;
    }

    private void Turn()
    {
        lives.Check(Interlocked.Increment(ref _turns) == 1, "two turns run at once");
        Thread.SpinWait(5);
        Interlocked.Decrement(ref _turns);
    }
}

/// <summary>What went wrong, and how many streams are open.</summary>
public sealed class RandomLives
{
    private int _streams;

    public string? Broken { get; private set; }

    public int Streams => Volatile.Read(ref _streams);

    public void Check(bool holds, string otherwise) => Broken ??= holds ? null : otherwise;

    public void StreamBegan() => Interlocked.Increment(ref _streams);

    public void StreamEnded() => Interlocked.Decrement(ref _streams);
}
