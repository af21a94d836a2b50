using Loire.Engine.Models;
using Loire.Engine.Weights;

namespace Loire.Engine.Backends.Cpu.Layers;

/// <summary>One gated feed-forward: <c>W_down(silu(W_gate y) ⊙ W_up y)</c>.</summary>
internal sealed class Expert : IDisposable
{
    public Expert(GatedTensors tensors, int hidden, int width, IWeightSource weights)
    {
        Width = width;
        GateUp = PackedMatrix.Gated(hidden, weights.Get(tensors.Gate, width, hidden), weights.Get(tensors.Up, width, hidden));
        Down = PackedMatrix.Stack(width, weights.Get(tensors.Down, hidden, width));
    }

    public int Width { get; }

    public PackedMatrix GateUp { get; }

    public PackedMatrix Down { get; }

    public long WeightBytes => GateUp.Bytes + Down.Bytes;

    public void Dispose()
    {
        GateUp.Dispose();
        Down.Dispose();
    }
}
