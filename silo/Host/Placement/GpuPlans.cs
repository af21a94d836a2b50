using System.Collections.Immutable;
using Loire.Contracts;
using Loire.Engine.Models;
using Loire.Engine.Placement;
using Loire.Engine.Replica;
using Loire.Silo.Models;
using Microsoft.Extensions.Logging;

namespace Loire.Silo.Placement;

/// <summary>Which GPUs of this silo have which layers and experts of its models: planned once a model, the same as long as the process lives. Safe from any thread.</summary>
/// <remarks>The driver is asked once. What the plan of one model takes is not there for the next.</remarks>
/// <param name="options">Of the silo.</param>
/// <param name="logger">Is told each plan.</param>
/// <param name="read">Asks the driver, of all GPUs or of those that are named.</param>
public sealed partial class GpuPlans(SiloOptions options, ILogger<GpuPlans> logger, Func<GpuGroups?, GpuInventory>? read = null)
{
    private readonly Lock _lock = new();
    private readonly Dictionary<string, Planned> _plans = [];
    private GpuInventory? _left;

    /// <summary>GPUs that some model's plan uses, by ordinal.</summary>
    public ImmutableArray<GpuRoom> Gpus
    {
        get
        {
            lock (_lock)
            {
                var used = _plans.Values.SelectMany(planned => planned.Plan.Groups.Devices).ToHashSet();
                return _left is { } inventory ? [.. inventory.Gpus.Where(gpu => used.Contains(gpu.Ordinal))] : [];
            }
        }
    }

    /// <summary>Null: the silo computes on the CPU.</summary>
    /// <exception cref="ClusterException">The model cannot be cut so, or does not fit.</exception>
    public GpuPlan? PlanOf(ServedModel model) => Of(model)?.Plan;

    /// <summary>A line a stage, for people; null: the silo computes on the CPU.</summary>
    public string? Describe(ServedModel model) => Of(model)?.Text;

    /// <summary>How that model's replica uses its GPUs.</summary>
    /// <exception cref="InvalidOperationException">The silo computes on the CPU.</exception>
    public CudaOptions OptionsOf(ServedModel model) => options.Cuda is { } cuda && PlanOf(model) is { } plan
        ? cuda with { Groups = plan.Groups, Plan = plan }
        : throw new InvalidOperationException($"Model '{model.Id}' is asked for on GPUs of a silo that computes on the CPU.");

    private Planned? Of(ServedModel model)
    {
        if (options is { Cuda: null } or { LendsOnly: true })
        {
            return null;
        }

        lock (_lock)
        {
            return _plans.TryGetValue(model.Id, out var planned) ? planned : _plans[model.Id] = Plan(model, options.Cuda);
        }
    }

    private Planned Plan(ServedModel model, CudaOptions cuda)
    {
        var graph = model.Source?.Graph ?? throw new ArgumentException($"Model '{model.Id}' has no folder to read its shape from.", nameof(model));
        var sizes = CudaReplica.GpuSizesOf(options.Engine, cuda);
        var inventory = _left ??= (read ?? GpuInventory.Read)(cuda.Plan?.Groups ?? cuda.Groups);
        try
        {
            var plan = GpuPlan.For(graph, sizes, cuda, () => inventory);
            _left = inventory.Without(TakenBy(plan, graph, sizes));
            var text = plan.Describe(graph, sizes, inventory);
            foreach (var line in text.Split(Environment.NewLine))
            {
                LogPlanned(model.Id, line);
            }

            return new Planned(plan, text);
        }
        catch (NotSupportedException refused)
        {
            throw new ClusterException(FailureCode.InvalidRequest, $"Model '{model.Id}': {refused.Message}", nameof(SiloOptions.Cuda), inner: refused);
        }
    }

    private static Dictionary<int, long> TakenBy(GpuPlan plan, ModelGraph graph, GpuSizes sizes) => plan.Stages
        .Zip(plan.Takes(graph, sizes))
        .SelectMany(stage => stage.First.Devices.Select(device => (device, stage.Second.Total)))
        .ToDictionary();

    private sealed record Planned(GpuPlan Plan, string Text);

    [LoggerMessage(LogLevel.Information, "Model {Model}: {Stage}")]
    private partial void LogPlanned(string model, string stage);
}
