using System.Runtime.InteropServices;
using Loire.Engine.Backends.Cpu.Layers;
using Loire.Engine.Links;
using Loire.Engine.State;

namespace Loire.Engine.Backends.Cpu.Links;

/// <summary>Slots and pages of a stage, as the replica that it serves reads and writes them over a link.</summary>
internal sealed class StageState
{
    private readonly CpuStage _stage;
    private readonly BackendSizes _sizes;

    /// <summary>Allocates slots and pages, in place of an earlier replica's.</summary>
    public StageState(CpuStage stage, BackendSizes sizes)
    {
        (_stage, _sizes) = (stage, sizes);
        foreach (var layer in stage.Layers)
        {
            layer.Mixer.AllocateState(sizes.Slots, sizes.Pages, sizes.CommitsStates);
        }
    }

    public void Answer(FrameKind kind, ref PayloadReader request, PinnedBuffer answer)
    {
        switch (kind)
        {
            case FrameKind.ClearState:
                ClearState(Slot(ref request));
                break;
            case FrameKind.ReadRecurrent:
                ReadRecurrent(ref request, answer);
                break;
            case FrameKind.WriteRecurrent:
                WriteRecurrent(ref request);
                break;
            case FrameKind.ReadKeyValues:
                ReadKeyValues(ref request, answer);
                break;
            case FrameKind.WriteKeyValues:
                WriteKeyValues(ref request);
                break;
            default:
                throw new FrameException($"A layer stage answers no request of kind {kind}.");
        }
    }

    private void ClearState(int slot)
    {
        foreach (var layer in _stage.Layers)
        {
            layer.Mixer.ClearState(slot);
        }
    }

    private void ReadRecurrent(ref PayloadReader request, PinnedBuffer answer)
    {
        var first = request.Int("The first layer", _stage.FirstLayer, _stage.EndLayer - 1);
        var end = request.Int("The end of the layers", first + 1, _stage.EndLayer);
        var slot = Slot(ref request);
        request.End();
        for (var layer = first; layer < end; layer++)
        {
            if (_stage.Layers[layer - _stage.FirstLayer].Mixer is LightningMixer mixer)
            {
                answer.Append(mixer.StateBytesOf(slot));
            }
        }
    }

    private void WriteRecurrent(ref PayloadReader request)
    {
        var mixer = Mixer<LightningMixer>(ref request);
        var slot = Slot(ref request);
        var blob = request.Bytes(mixer.StateBytes);
        request.End();
        blob.CopyTo(mixer.StateBytesOf(slot));
    }

    private void ReadKeyValues(ref PayloadReader request, PinnedBuffer answer)
    {
        var mixer = Mixer<SoftmaxMixer>(ref request);
        var (page, tokens) = Page(ref request);
        request.End();
        mixer.ReadPage(page, tokens, MemoryMarshal.Cast<byte, float>(answer.Extend(tokens * mixer.KeyValueBytesPerToken)));
    }

    private void WriteKeyValues(ref PayloadReader request)
    {
        var mixer = Mixer<SoftmaxMixer>(ref request);
        var (page, tokens) = Page(ref request);
        var blob = request.Bytes(tokens * mixer.KeyValueBytesPerToken);
        request.End();
        mixer.WritePage(page, tokens, MemoryMarshal.Cast<byte, float>(blob));
    }

    private int Slot(ref PayloadReader request) => request.Int("A slot", 0, _sizes.Slots - 1);

    private (int Page, int Tokens) Page(ref PayloadReader request) =>
        (request.Int("A page", 0, _sizes.Pages - 1), request.Int("The tokens of a page", 1, StateShape.PageTokens));

    private T Mixer<T>(ref PayloadReader request)
        where T : class, IMixer
    {
        var layer = request.Int("The layer", _stage.FirstLayer, _stage.EndLayer - 1);
        return _stage.Layers[layer - _stage.FirstLayer].Mixer as T ?? throw new FrameException($"Layer {layer} is no {typeof(T).Name}.");
    }
}
