using System.Collections.Immutable;
using Loire.Contracts;
using Loire.Silo.Models;

namespace Loire.Silo.Placement;

/// <summary>Cuts a model into layer stages and expert shards. A pure function of model and options.</summary>
public static class PlacementPlanner
{
    public const string CpuDevice = "cpu:0";

    /// <exception cref="ClusterException">The model cannot be cut so; names the option, what was found and what to set.</exception>
    public static ReplicaPlan Plan(ServedModel model, SiloOptions options)
    {
        if (options.Stages > model.Layers)
        {
            throw Refused(nameof(SiloOptions.Stages), options.Stages, $"model '{model.Id}' has {model.Layers} layers", model.Layers);
        }

        if (options.ExpertShards > Math.Max(model.Experts, 1))
        {
            throw Refused(nameof(SiloOptions.ExpertShards), options.ExpertShards, $"model '{model.Id}' has {model.Experts} experts a layer", Math.Max(model.Experts, 1));
        }

        return new ReplicaPlan
        {
            Model = model.Id,
            ModelFolder = model.Folder,
            ModelDigest = model.Digest.ToString(),
            Stages =
            [
                .. Cut(model.Layers, options.Stages)
                    .Select((range, stage) => new StagePlan(model.Id, model.Folder, stage, range.First, range.End, CpuDevice)),
            ],
            Shards = model.Experts == 0
                ? []
                :
                [
                    .. Cut(model.Experts, options.ExpertShards)
                        .Select((range, shard) => new ShardPlan(model.Id, model.Folder, shard, range.First, range.End, CpuDevice)),
                ],
        };
    }

    /// <summary>Cuts [0, count) into ranges that differ by at most one in length.</summary>
    internal static ImmutableArray<(int First, int End)> Cut(int count, int parts) =>
        [.. Enumerable.Range(0, parts).Select(part => ((int)((long)count * part / parts), (int)((long)count * (part + 1) / parts)))];

    private static ClusterException Refused(string option, int found, string reason, int most) => new(
        FailureCode.InvalidRequest, $"{option} is {found}, but {reason}. Set {option} to at most {most}.", option);
}
