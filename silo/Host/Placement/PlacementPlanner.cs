using System.Collections.Immutable;
using Loire.Contracts;
using Loire.Engine.Models;
using Loire.Engine.Placement;
using Loire.Silo.Models;

namespace Loire.Silo.Placement;

/// <summary>Cuts a model into layer stages and expert shards. A pure function of model, options and plan of the GPUs.</summary>
public static class PlacementPlanner
{
    public const string CpuDevice = "cpu:0";

    private const string GpuPrefix = "cuda:";

    /// <summary>As plans and views name GPUs: <c>cuda:0</c>, or <c>cuda:0+1</c> for a group.</summary>
    public static string GpuDevice(string group) => GpuPrefix + group;

    public static bool IsGpu(string device) => device.StartsWith(GpuPrefix, StringComparison.Ordinal);

    /// <exception cref="ClusterException">The model cannot be cut so; names the option, what was found and what to set.</exception>
    /// <param name="model">To cut.</param>
    /// <param name="options">Of the replica's home.</param>
    /// <param name="home">Name of the replica's home.</param>
    /// <param name="gpus">Null: the CPU.</param>
    public static ReplicaPlan Plan(ServedModel model, SiloOptions options, string home, GpuPlan? gpus)
    {
        if (gpus is not null)
        {
            return Plan(model, gpus);
        }

        var stages = options.StageSilos.Count > 0 ? options.StageSilos.Count : options.Stages;
        var shards = options.ShardSilos.Count > 0 ? options.ShardSilos.Count : options.ExpertShards;
        if (stages > model.Layers)
        {
            throw Refused(nameof(SiloOptions.Stages), stages, $"model '{model.Id}' has {model.Layers} layers", model.Layers);
        }

        if (shards > Math.Max(model.Experts, 1))
        {
            throw Refused(nameof(SiloOptions.ExpertShards), shards, $"model '{model.Id}' has {model.Experts} experts a layer", Math.Max(model.Experts, 1));
        }

        if (options.StageSilos is [var first, ..] && first != home)
        {
            throw new ClusterException(
                FailureCode.InvalidRequest,
                $"StageSilos begins with '{first}', but stage 0 is where the steps run: on '{home}', the silo that is told. Put '{home}' first, or start the replica at '{first}'.",
                nameof(SiloOptions.StageSilos));
        }

        string? Elsewhere(IReadOnlyList<string> silos, int part) => part < silos.Count && silos[part] != home ? silos[part] : null;

        return new ReplicaPlan
        {
            Model = model.Id,
            ModelFolder = model.Folder,
            ModelDigest = model.Digest.ToString(),
            Stages =
            [
                .. Cut(model.Layers, stages)
                    .Select((range, stage) => new StagePlan(model.Id, model.Folder, stage, range.First, range.End, CpuDevice) { Silo = Elsewhere(options.StageSilos, stage), ModelDigest = model.Digest.ToString() }),
            ],
            Shards = model.Experts == 0
                ? []
                :
                [
                    .. Cut(model.Experts, shards)
                        .Select((range, shard) => new ShardPlan(model.Id, model.Folder, shard, range.First, range.End, CpuDevice) { Silo = Elsewhere(options.ShardSilos, shard), ModelDigest = model.Digest.ToString() }),
                ],
        };
    }

    /// <summary>A stage for each group, and a shard for each GPU: its experts of its stage's layers.</summary>
    private static ReplicaPlan Plan(ServedModel model, GpuPlan gpus) => new()
    {
        Model = model.Id,
        ModelFolder = model.Folder,
        ModelDigest = model.Digest.ToString(),
        Stages =
        [
            .. gpus.Stages.Select((stage, i) => new StagePlan(model.Id, model.Folder, i, stage.FirstLayer, stage.EndLayer, GpuDevice(stage.Group)) { ModelDigest = model.Digest.ToString() }),
        ],
        Shards =
        [
            .. gpus.Gpus.Index().Where(gpu => HasExperts(model, gpu.Item.Stage)).Select(gpu =>
            {
                var (first, end) = gpu.Item.Share.Of(model.Experts);
                return new ShardPlan(model.Id, model.Folder, gpu.Index, first, end, GpuDevice($"{gpu.Item.Device}"))
                {
                    ModelDigest = model.Digest.ToString(), FirstLayer = gpu.Item.Stage.FirstLayer, EndLayer = gpu.Item.Stage.EndLayer,
                };
            }),
        ],
    };

    private static bool HasExperts(ServedModel model, GpuStagePlan stage) => model.Source is { } source
        ? source.Graph.Layers[stage.FirstLayer..stage.EndLayer].Any(layer => layer.FeedForward is MoeSpec)
        : model.Experts > 0;

    /// <summary>Cuts [0, count) into ranges that differ by at most one in length.</summary>
    internal static ImmutableArray<(int First, int End)> Cut(int count, int parts) =>
        [.. Enumerable.Range(0, parts).Select(part => ((int)((long)count * part / parts), (int)((long)count * (part + 1) / parts)))];

    private static ClusterException Refused(string option, int found, string reason, int most) => new(
        FailureCode.InvalidRequest, $"{option} is {found}, but {reason}. Set {option} to at most {most}.", option);
}
