using System.Collections.Immutable;
using System.Runtime.InteropServices;
using Loire.Engine.Backends.Cpu.Layers;
using Loire.Engine.Models;
using Loire.Engine.State;

namespace Loire.Engine.Backends.Cpu;

/// <summary>A replica on this process's cores: the forward program, and the canonical view of the memory of its layers.</summary>
internal sealed class CpuBackend : IBackend
{
    private readonly CpuLayer[] _layers; // by layer index: stages cover every layer in order
    private readonly WorkerTeam _team;
    private readonly CpuForward _forward;

    public CpuBackend(ModelGraph graph, IReadOnlyList<CpuStage> stages, IReadOnlyList<CpuShard> shards, BackendSizes sizes)
    {
        _layers = [.. stages.SelectMany(stage => stage.Layers)];
        if (!_layers.Select(layer => layer.Spec.Index).SequenceEqual(Enumerable.Range(0, graph.Layers.Length)))
        {
            throw new ArgumentException(
                $"The stages cover layers {string.Join(", ", stages.Select(stage => $"[{stage.FirstLayer}, {stage.EndLayer})"))}; all of [0, {graph.Layers.Length}) in order are needed.",
                nameof(stages));
        }

        VocabularySize = graph.VocabularySize;
        Slots = sizes.Slots;
        Pages = sizes.Pages;
        foreach (var layer in _layers)
        {
            layer.Mixer.AllocateState(sizes.Slots, sizes.Pages);
        }

        State = new StateShape
        {
            Recurrent = [.. _layers.Where(layer => layer.Mixer.StateBytes > 0).Select(layer => (layer.Spec.Index, layer.Mixer.StateBytes))],
            KeyValue = [.. _layers.Where(layer => layer.Mixer.KeyValueBytesPerToken > 0).Select(layer => (layer.Spec.Index, layer.Mixer.KeyValueBytesPerToken))],
        };
        _team = new WorkerTeam(sizes.Threads > 0 ? sizes.Threads : Environment.ProcessorCount);
        _forward = new CpuForward(graph, stages, shards, _team, sizes.MaxRows, sizes.MaxLogitsRows);
        WarmUp(sizes.MaxRows);
    }

    public int VocabularySize { get; }

    public StateShape State { get; }

    public int Slots { get; }

    public int Pages { get; }

    public void Run(StepBatch batch) => _forward.Run(batch);

    public ReadOnlySpan<float> Logits(int index) => _forward.Logits(index);

    /// <summary>Runs the action and says what its steps spent their time on.</summary>
    public ImmutableDictionary<StepPart, TimeSpan> Profile(Action action)
    {
        foreach (var part in Enum.GetValues<StepPart>())
        {
            _forward.Step.TakeTime(part);
        }

        _forward.Step.IsProfiling = true;
        action();
        _forward.Step.IsProfiling = false;
        return Enum.GetValues<StepPart>().ToImmutableDictionary(part => part, _forward.Step.TakeTime);
    }

    public void ClearState(int slot)
    {
        foreach (var layer in _layers)
        {
            layer.Mixer.ClearState(slot);
        }
    }

    public void ReadRecurrent(int layer, int slot, Span<byte> blob) => Lightning(layer).StateBytesOf(slot).CopyTo(blob);

    public void WriteRecurrent(int layer, int slot, ReadOnlySpan<byte> blob) => blob.CopyTo(Lightning(layer).StateBytesOf(slot));

    public void ReadKeyValues(int layer, int page, int tokens, Span<byte> blob) =>
        Softmax(layer).ReadPage(page, tokens, MemoryMarshal.Cast<byte, float>(blob));

    public void WriteKeyValues(int layer, int page, int tokens, ReadOnlySpan<byte> blob) =>
        Softmax(layer).WritePage(page, tokens, MemoryMarshal.Cast<byte, float>(blob));

    /// <summary>Runs every shape of tile once, so that the first turn does not wait for the compiler.</summary>
    private void WarmUp(int maxRows)
    {
        var batch = new StepBatch(maxRows, 1, 1);
        List<int> pages = [.. Enumerable.Range(0, Math.Min(2, Pages))];
        var room = Math.Min(maxRows, pages.Count * StateShape.PageTokens);
        foreach (var rows in new[] { 1, 2, 3, 4, 5, 6, 11, StateShape.PageTokens + 5 })
        {
            batch.Clear();
            batch.Add(slot: 0, pages, start: 0, new int[Math.Min(rows, room)], LogitsWanted.Last);
            Run(batch);
        }

        ClearState(slot: 0);
        _forward.ClearLoad();
    }

    public void Dispose()
    {
        _forward.Dispose();
        _team.Dispose();
    }

    private LightningMixer Lightning(int layer) =>
        _layers[layer].Mixer as LightningMixer ?? throw new ArgumentException($"Layer {layer} has no recurrent state.", nameof(layer));

    private SoftmaxMixer Softmax(int layer) =>
        _layers[layer].Mixer as SoftmaxMixer ?? throw new ArgumentException($"Layer {layer} has no keys and values.", nameof(layer));
}

/// <summary>Sizes of a backend's memory.</summary>
/// <param name="Slots">Sequences with recurrent state.</param>
/// <param name="Pages">Pages of keys and values.</param>
/// <param name="MaxRows">Tokens of one step.</param>
/// <param name="MaxLogitsRows">Rows of one step whose logits are wanted.</param>
/// <param name="Threads">0: one a core.</param>
internal readonly record struct BackendSizes(int Slots, int Pages, int MaxRows, int MaxLogitsRows, int Threads);
