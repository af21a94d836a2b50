using Loire.Engine.Models;
using Loire.Engine.Placement;
using Loire.Engine.Replica;

namespace Loire.Cli.Terminal;

/// <summary>Plans a model on GPUs for commands that run it themselves.</summary>
internal static class GpuPlacing
{
    /// <summary>The options with their plan, and the plan in words, a line a stage.</summary>
    /// <exception cref="CommandFailedException">The model cannot be cut so, or does not fit.</exception>
    public static (CudaOptions Options, string Text) Of(ModelGraph graph, GpuSizes sizes, CudaOptions cuda)
    {
        try
        {
            var inventory = GpuInventory.Read(cuda.Groups);
            var plan = GpuPlan.For(graph, sizes, cuda, () => inventory);
            return (cuda with { Groups = plan.Groups, Plan = plan }, plan.Describe(graph, sizes, inventory));
        }
        catch (NotSupportedException refused)
        {
            throw new CommandFailedException(refused.Message, inner: refused);
        }
    }
}
