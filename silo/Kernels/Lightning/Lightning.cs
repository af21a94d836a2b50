using Loire.Cuda;

namespace Loire.Kernels;

/// <summary>Lightning attention of a step: <c>S ← e^(−s_h) S + k ⊗ v; o = qᵀS</c> for each row of each sequence in turn.</summary>
/// <remarks>
/// Sequences with one row by <see cref="LightningState"/>; longer ones by <see cref="LightningChunks"/> where the shape suits it, otherwise token by token.
/// Meaning: <see cref="LightningReference"/>.
/// </remarks>
public sealed class Lightning
{
    private readonly ElementType _type;
    private readonly LightningState _state;
    private readonly LightningChunks? _chunks;

    /// <param name="modules">Compiled sources by name, of the element type <paramref name="type"/>.</param>
    /// <param name="type">Of q, k and v.</param>
    /// <param name="headDim">d</param>
    public Lightning(Func<string, CudaModule> modules, ElementType type, int headDim)
    {
        _type = type;
        var module = modules(nameof(LightningState));
        _state = new LightningState(module, headDim);
        var isFast = LightningChunks.Suits(type, headDim, default) && LightningChunks.SharedBytes(headDim) <= module.Device.SharedMemoryPerBlock;
        _chunks = isFast ? new LightningChunks(modules(nameof(LightningChunks)), headDim) : null;
    }

    /// <summary>Reads and writes the state of every sequence of the step; writes every row of the output.</summary>
    public void Enqueue(CudaStream stream, in StepInputs step, in LightningOperands operands)
    {
        var inChunks = !step.IsDecode && _chunks is not null && !operands.IsQkvFloat && LightningChunks.Suits(_type, operands.HeadDim, operands.Qkv);
        _state.Enqueue(stream, step, operands, singlesOnly: inChunks);
        if (inChunks && step.Sequences > 0)
        {
            _chunks!.Enqueue(stream, step, operands);
        }
    }
}
