using Loire.Cuda;

namespace Loire.Engine.Backends.Cuda;

/// <summary>What one part keeps of a step while others are under way: the step's integers, and the stream that comes from the stage before.</summary>
internal sealed class Lane : IDisposable
{
    private readonly DeviceMemory? _carry;
    private readonly int _hidden;

    /// <param name="part">Whose it is.</param>
    /// <param name="sizes">Slots and pages, for padded rows.</param>
    /// <param name="rows">Most of a step.</param>
    /// <param name="hidden">Of a row.</param>
    public Lane(CudaPart part, in BackendSizes sizes, int rows, int hidden)
    {
        _hidden = hidden;
        _carry = part.Range.IsFirst ? null : part.Device.Allocate((long)rows * hidden * sizeof(float), "what comes from the stage before", "lower Engine:MaxTokensPerStep.");
        Block = new StepBlock(part.Device, part.Stream, sizes.Slots, sizes.Pages);
        Sent = part.Device.NewEvent();
        Done = part.Device.NewEvent();
    }

    public StepBlock Block { get; }

    /// <summary>The step's integers are on the device.</summary>
    public CudaEvent Sent { get; }

    /// <summary>The lane is free for another step. Of a stage's first part: those of the others go by it.</summary>
    public CudaEvent Done { get; }

    /// <summary>fp32 <c>[rows, hidden]</c>; none in the first stage.</summary>
    public DeviceVector<float> Carry => _carry?.AsVector<float>() ?? default;

    public DeviceVector<float> CarryOf(int rows) => Carry.Slice(0, (long)rows * _hidden);

    public void Dispose()
    {
        Block.Dispose();
        Sent.Dispose();
        Done.Dispose();
        _carry?.Dispose();
    }
}
