using Loire.Engine.Backends.Cpu.Kernels;

namespace Loire.Engine.Backends.Cpu;

/// <summary>Widths that a step's buffers must hold, over all layers.</summary>
internal readonly record struct BufferWidths(int Hidden, int Projection, int Mixed, int FeedForward, int Choices, int Experts, int Vocabulary);

/// <summary>Activations of one step, fp32, row-major; rows are the batch's rows. Allocated once for the largest step.</summary>
internal sealed unsafe class StepBuffers : IDisposable
{
    private readonly CpuBuffer<float> _floats;
    private readonly CpuBuffer<int> _choices;

    public StepBuffers(BufferWidths widths, int maxRows, int maxLogitsRows, int rotaryHalf)
    {
        Widths = widths;
        MaxRows = maxRows;
        var rows = (long)maxRows;
        var perRow = (3L * widths.Hidden) + widths.Projection + widths.Mixed
            + ((long)widths.Choices * (widths.FeedForward + widths.Hidden + 1)) + (2L * rotaryHalf);
        _floats = new CpuBuffer<float>((rows * perRow) + ((long)maxLogitsRows * (widths.Vocabulary + widths.Hidden)) + (16 * 16));
        _choices = new CpuBuffer<int>(rows * widths.Choices);
        var next = _floats.Pointer;
        Stream = Take(ref next, rows * widths.Hidden);
        Normed = Take(ref next, rows * widths.Hidden);
        Output = Take(ref next, rows * widths.Hidden);
        Projected = Take(ref next, rows * widths.Projection);
        Mixed = Take(ref next, rows * widths.Mixed);
        Activated = Take(ref next, rows * widths.Choices * widths.FeedForward);
        ExpertOutput = Take(ref next, rows * widths.Choices * widths.Hidden);
        ChoiceWeights = Take(ref next, rows * widths.Choices);
        Cosines = Take(ref next, rows * rotaryHalf);
        Sines = Take(ref next, rows * rotaryHalf);
        FinalNormed = Take(ref next, (long)maxLogitsRows * widths.Hidden);
        Logits = Take(ref next, (long)maxLogitsRows * widths.Vocabulary);
    }

    public BufferWidths Widths { get; }

    public int MaxRows { get; }

    /// <summary><c>[rows, hidden]</c>: the residual stream.</summary>
    public float* Stream { get; }

    /// <summary><c>[rows, hidden]</c>: the stream after the current norm.</summary>
    public float* Normed { get; }

    /// <summary><c>[rows, hidden]</c>: a mixer's output.</summary>
    public float* Output { get; }

    /// <summary><c>[rows, projection]</c>: q, k, v and gates, as the mixer lays them out.</summary>
    public float* Projected { get; }

    /// <summary><c>[rows, heads · headDim]</c></summary>
    public float* Mixed { get; }

    /// <summary><c>[choices of all rows, width]</c> in the order of the groups.</summary>
    public float* Activated { get; }

    /// <summary><c>[row · choices + choice, hidden]</c></summary>
    public float* ExpertOutput { get; }

    /// <summary><c>[rows, choices]</c>: chosen experts.</summary>
    public int* Choices => _choices.Pointer;

    /// <summary><c>[rows, choices]</c></summary>
    public float* ChoiceWeights { get; }

    /// <summary><c>[rows, rotaryDim / 2]</c></summary>
    public float* Cosines { get; }

    public float* Sines { get; }

    /// <summary><c>[logits rows, hidden]</c></summary>
    public float* FinalNormed { get; }

    /// <summary><c>[logits rows, vocabulary]</c></summary>
    public float* Logits { get; }

    public void Dispose()
    {
        _floats.Dispose();
        _choices.Dispose();
    }

    private static float* Take(ref float* next, long count)
    {
        var taken = next;
        next += (count + TileKernel.Lanes - 1) / TileKernel.Lanes * TileKernel.Lanes;
        return taken;
    }
}
