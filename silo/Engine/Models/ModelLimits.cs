namespace Loire.Engine.Models;

/// <summary>Largest sizes that a config may ask for, well above every published model.</summary>
/// <remarks>With these, every product of sizes that a backend forms fits 64 bits, and a row, a sequence's recurrent state and a step's width fit 32.</remarks>
internal static class ModelLimits
{
    public const int Vocabulary = 1 << 24;
    public const int Width = 1 << 18;
    public const int Layers = 1024;
    public const int Heads = 4096;
    public const int HeadDim = 4096;

    /// <summary>Of heads times head width.</summary>
    public const int HeadsTimesDim = 1 << 18;

    /// <summary>Bytes of the recurrent state of one sequence in fp32, all layers together. MiniMax-M1 has 280 MiB.</summary>
    public const long RecurrentBytes = 1 << 30;

    public const int Experts = 8192;
    public const int Context = 1 << 30;
}
