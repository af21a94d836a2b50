using Loire.Contracts;
using Loire.Engine.Replica;
using Loire.Silo.Models;
using Loire.Silo.Replicas;

namespace Loire.Host.Tests;

/// <summary>Parts without weights, and a scripted engine over them.</summary>
internal sealed class ScriptedFactory : IReplicaEngineFactory
{
    public ScriptedEngine Engine { get; } = new();

    public List<(int First, int End)> Stages { get; } = [];

    public List<(int First, int End)> Shards { get; } = [];

    /// <summary>Loading fails with this while it is set.</summary>
    public Exception? Failure { get; set; }

    /// <summary>Loading waits for it.</summary>
    public ManualResetEventSlim Gate { get; } = new(initialState: true);

    public ICpuStage LoadStage(ServedModel model, StagePlan plan, IProgress<double> progress)
    {
        Gate.Wait();
        if (Failure is { } failure)
        {
            throw failure;
        }

        progress.Report(1);
        lock (Stages)
        {
            Stages.Add((plan.FirstLayer, plan.EndLayer));
        }

        return new Part(plan.FirstLayer, plan.EndLayer, 0, 0);
    }

    public ICpuShard LoadShard(ServedModel model, ShardPlan plan, IProgress<double> progress)
    {
        progress.Report(1);
        lock (Shards)
        {
            Shards.Add((plan.FirstExpert, plan.EndExpert));
        }

        return new Part(0, 0, plan.FirstExpert, plan.EndExpert);
    }

    public IReplicaEngine Join(ServedModel model, IReadOnlyList<ICpuStage> stages, IReadOnlyList<ICpuShard> shards, EngineOptions options) => Engine;

    private sealed record Part(int FirstLayer, int EndLayer, int FirstExpert, int EndExpert) : ICpuStage, ICpuShard
    {
        public long WeightBytes => 100;

        public void CopyLoad(Span<long> tokensByExpert)
        {
            for (var i = 0; i < tokensByExpert.Length; i++)
            {
                tokensByExpert[i] = FirstExpert + i;
            }
        }

        public void Dispose()
        {
        }
    }
}
