using Loire.Engine.Models;
using Loire.Engine.State;

namespace Loire.Engine.Placement;

/// <summary>Plans, and why there is none, for people. GB are 10⁹ bytes.</summary>
internal static class PlanText
{
    public static IEnumerable<string> Lines(GpuPlan plan, ModelGraph graph, GpuSizes sizes, GpuInventory? inventory)
    {
        foreach (var (stage, take) in plan.Stages.Zip(plan.Takes(graph, sizes)))
        {
            var gpus = stage.Devices.Select(device => inventory?.Find(device)).OfType<GpuRoom>().ToArray();
            var isKnown = gpus.Length == stage.Devices.Length;
            yield return $"layers {stage.FirstLayer} to {stage.EndLayer - 1} on GPU {stage.Group}{(isKnown ? $" ({string.Join(", ", gpus.Select(gpu => gpu.Name).Distinct())})" : "")}: {Text(take)}"
                + (stage.Devices.Length > 1 ? " on each" : "")
                + (isKnown ? $"; {Left(gpus.MinBy(gpu => gpu.FreeBytes)!, take)}" : ""); // a group is not empty
        }
    }

    /// <summary>What a model needs, what there is, and what to change.</summary>
    public static string DoesNotFit(ModelGraph graph, GpuSizes sizes, GpuInventory inventory)
    {
        var take = new StageBytes(graph, sizes, GpuShare.Whole, mostStages: 1).Of(0, graph.Layers.Length);
        var bytes = new ModelBytes(graph, sizes.Type, sizes.Experts);
        var slot = graph.Layers.Sum(layer => ModelBytes.Slot(layer, GpuShare.Whole));
        var page = graph.Layers.Sum(layer => bytes.Page(layer, GpuShare.Whole));
        var there = inventory.Gpus.IsEmpty ? "there is no GPU" : $"there {(inventory.Gpus.Length == 1 ? "is" : "are")} {string.Join(", ", inventory.Gpus.Select(Text))}, of which a plan leaves 6 % alone";
        var obstacle = inventory.Gpus.Length > 1 ? GroupRules.Obstacle(graph, inventory.Gpus.Length, isLast: true) : null;
        return $"The model needs {Text(take)} on one GPU, and {there}; no way to share it out fits.{(obstacle is null ? "" : $" {obstacle}")}"
            + $" Lower Engine:Slots, of {Gigabytes(slot)} each, or Engine:KeyValueTokens, of {Gigabytes(page * 1000 / StateShape.PageTokens)} a thousand, from {sizes.Slots:N0} and {(long)sizes.Pages * StateShape.PageTokens:N0};"
            + " free memory on the GPUs, use more or larger ones, or --device cpu."
            + string.Concat(inventory.Gpus.Where(gpu => gpu.Refusal is not null).Select(gpu => $" GPU {gpu.Ordinal} counts as full: {gpu.Refusal}"));
    }

    private static string Text(GpuRoom gpu) => $"GPU {gpu.Ordinal} ({gpu.Name}) with {Gigabytes(gpu.FreeBytes)} free of {Gigabytes(gpu.TotalBytes)}";

    private static string Text(GpuTake take) => $"{Gigabytes(take.Weights)} of weights, {Gigabytes(take.States)} of states and pages, {Gigabytes(take.Activations)} of activations";

    private static string Left(GpuRoom gpu, GpuTake take) => gpu.FreeBytes - take.Total is >= 0 and var left
        ? $"{Gigabytes(left)} left of {Gigabytes(gpu.TotalBytes)}"
        : $"{Gigabytes(take.Total - gpu.FreeBytes)} more than the {Gigabytes(gpu.FreeBytes)} that are free";

    private static string Gigabytes(long bytes) => bytes >= 1_000_000_000 ? $"{bytes / 1e9:0.0} GB" : $"{bytes / 1e6:0.0} MB";
}
