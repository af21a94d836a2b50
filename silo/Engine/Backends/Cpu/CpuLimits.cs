using Loire.Engine.Backends.Cpu.Kernels;
using Loire.Engine.Models;
using Loire.Engine.Weights;

namespace Loire.Engine.Backends.Cpu;

/// <summary>What the CPU kernels ask of a model's sizes.</summary>
internal static class CpuLimits
{
    /// <summary>Router scores live on the stack.</summary>
    private const int MaxExperts = 4096;

    public static void Check(ModelFolder model)
    {
        Lanes(model, "hidden size", model.Graph.HiddenSize);
        foreach (var layer in model.Graph.Layers)
        {
            var headDim = layer.Mixer switch
            {
                LightningSpec lightning => lightning.HeadDim,
                SoftmaxSpec softmax => softmax.HeadDim,
                _ => throw new ModelFormatException(model.Path, $"layer {layer.Index} has a mixer that the CPU cannot run: {layer.Mixer.GetType().Name}."),
            };
            Lanes(model, $"head dimension of layer {layer.Index}", headDim);
            switch (layer.FeedForward)
            {
                case MoeSpec moe:
                    Lanes(model, $"expert width of layer {layer.Index}", moe.Width);
                    Lanes(model, $"shared expert width of layer {layer.Index}", moe.Shared?.Width ?? TileKernel.Lanes);
                    if (moe.Experts > MaxExperts)
                    {
                        throw new ModelFormatException(model.Path, $"layer {layer.Index} has {moe.Experts} experts; the CPU runs at most {MaxExperts}.");
                    }

                    break;
                case DenseSpec dense:
                    Lanes(model, $"feed-forward width of layer {layer.Index}", dense.Width);
                    break;
            }
        }
    }

    private static void Lanes(ModelFolder model, string what, int size)
    {
        if (size % TileKernel.Lanes != 0)
        {
            throw new ModelFormatException(model.Path, $"the {what} is {size}; the CPU kernels need a multiple of {TileKernel.Lanes}.");
        }
    }
}
