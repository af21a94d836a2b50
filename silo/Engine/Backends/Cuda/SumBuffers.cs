using Loire.Cuda;

namespace Loire.Engine.Backends.Cuda;

/// <summary>Where the parts of a stage leave what they add to each row: fp32 <c>[rows, parts, hidden]</c>, written by all of them.</summary>
/// <remarks>
/// Two of them, one behind mixers and one behind feed-forwards: a part writes to the one while another still reads the other, and between two writes to the same there is
/// a meeting that everybody reaches after it has read.
/// </remarks>
internal sealed class SumBuffers : IDisposable
{
    private readonly DeviceArena _arena;

    public SumBuffers(CudaDevice device, int rows, int parts, int hidden)
    {
        var sums = (long)rows * parts * hidden;
        _arena = new DeviceArena(
            device,
            (2 * DeviceArena.Footprint<float>(sums)) + DeviceArena.Footprint<float>((long)rows * parts),
            $"the sums of {rows} rows over {parts} GPUs",
            "lower Engine:MaxTokensPerStep.");
        OfMixer = _arena.Take<float>(sums).Address;
        OfFeedForward = _arena.Take<float>(sums).Address;
        Squares = _arena.Take<float>((long)rows * parts).Address;
    }

    public long Bytes => _arena.Bytes;

    public ulong OfMixer { get; }

    public ulong OfFeedForward { get; }

    /// <summary>fp32 <c>[rows, parts]</c>: sums of squares of a lightning mixer's heads.</summary>
    public ulong Squares { get; }

    public void Dispose() => _arena.Dispose();
}
