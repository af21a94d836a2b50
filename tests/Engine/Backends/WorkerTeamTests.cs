using Loire.Engine.Backends.Cpu;

namespace Loire.Engine.Tests.Backends;

/// <summary>Steps that run on a team, or alone while its members do not have their cores, do the same work.</summary>
public sealed class WorkerTeamTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(5)] // more than most machines that run this have: barriers wait for time slices, so short steps run alone
    public void EveryItemIsDoneOnceInEachPhase_HoweverManyWorkersAStepHas(int workers)
    {
        using var team = new WorkerTeam(workers);
        var work = new CountingWork(items: 103);

        for (var step = 0; step < 400; step++)
        {
            team.Run(work, isShort: step % 3 != 0);
        }

        Assert.All(work.Shared, count => Assert.Equal(400, count));
        Assert.All(work.Claimed, count => Assert.Equal(400, count));
        Assert.False(work.SawUnfinishedPhase);
    }

    private sealed class CountingWork(int items) : ITeamWork
    {
        private int _step;

        public int[] Shared { get; } = new int[items];

        public int[] Claimed { get; } = new int[items];

        public bool SawUnfinishedPhase { get; private set; }

        public void Run(Worker worker)
        {
            var (first, end) = worker.Share(items);
            for (var i = first; i < end; i++)
            {
                Shared[i]++;
            }

            worker.Barrier();
            var steps = Shared[0];
            while (worker.Claim(items, 7, out first, out end))
            {
                for (var i = first; i < end; i++)
                {
                    SawUnfinishedPhase |= Shared[items - 1 - i] != steps;
                    Claimed[i]++;
                }
            }

            worker.Barrier();
            Interlocked.Increment(ref _step);
        }
    }
}
