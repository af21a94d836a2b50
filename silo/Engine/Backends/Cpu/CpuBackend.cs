using System.Collections.Immutable;
using System.Runtime.InteropServices;
using Loire.Engine.Backends.Cpu.Layers;
using Loire.Engine.Backends.Cpu.Links;
using Loire.Engine.Links;
using Loire.Engine.Models;
using Loire.Engine.Replica;
using Loire.Engine.State;

namespace Loire.Engine.Backends.Cpu;

/// <summary>A replica whose steps this process runs: the forward program, and the canonical view of the memory of its layers, here and on other silos.</summary>
internal sealed class CpuBackend : IBackend
{
    private readonly CpuLayer?[] _layers; // by layer index; null: in a stage elsewhere
    private readonly RemoteStage[] _remotes;
    private readonly WorkerTeam _team;
    private readonly CpuForward _forward;
    private List<ICpuShard> _shards;

    /// <exception cref="PartLostException">A part on another silo cannot be linked.</exception>
    public CpuBackend(ModelGraph graph, IReadOnlyList<ICpuStage> stages, IReadOnlyList<ICpuShard> shards, BackendSizes sizes)
    {
        CheckCover(graph, stages);
        _shards = [.. shards];
        _remotes = [.. stages.OfType<RemoteStage>()];
        _layers = new CpuLayer?[graph.Layers.Length];
        foreach (var layer in stages.OfType<CpuStage>().SelectMany(stage => stage.Layers))
        {
            _layers[layer.Spec.Index] = layer;
            layer.Mixer.AllocateState(sizes.Slots, sizes.Pages, sizes.CommitsStates);
        }

        VocabularySize = graph.VocabularySize;
        Slots = sizes.Slots;
        Pages = sizes.Pages;
        var endpoints = _remotes.Length > 0 ? EndpointsOf(_shards) : [];
        foreach (var remote in _remotes)
        {
            remote.Open(sizes, endpoints);
        }

        State = ShapeOf(stages);
        _team = new WorkerTeam(sizes.Threads > 0 ? sizes.Threads : Environment.ProcessorCount);
        _forward = new CpuForward(graph, stages, shards, _team, sizes.MaxRows, sizes.MaxLogitsRows);
        WarmUp(sizes.MaxRows);
    }

    public int VocabularySize { get; }

    public StateShape State { get; }

    public int Slots { get; }

    public int Pages { get; }

    /// <remarks>Returns when the step has run.</remarks>
    public void Enqueue(StepBatch batch) => _forward.Run(batch);

    public void Land()
    {
    }

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

    /// <summary>Puts a shard in the place of another that has the same experts. Between two steps.</summary>
    /// <exception cref="PartLostException">A stage elsewhere cannot reach the new shard.</exception>
    public void Route(ICpuShard from, ICpuShard to)
    {
        List<ICpuShard> shards = [.. _shards.Select(shard => shard == from ? to : shard)];
        if (_remotes.Length > 0)
        {
            var endpoints = EndpointsOf(shards);
            Array.ForEach(_remotes, remote => remote.Route(endpoints));
        }

        _forward.Route(shards);
        _shards = shards;
    }

    public void ClearState(int slot)
    {
        foreach (var layer in _layers)
        {
            layer?.Mixer.ClearState(slot);
        }

        Array.ForEach(_remotes, remote => remote.ClearState(slot));
    }

    public void ReadRecurrent(int layer, int slot, Span<byte> blob)
    {
        if (_layers[layer] is null)
        {
            RemoteOf(layer).ReadRecurrent(layer, layer + 1, slot, blob);
            return;
        }

        Lightning(layer).StateBytesOf(slot).CopyTo(blob);
    }

    /// <summary>One request for all layers of a stage.</summary>
    public void ReadRecurrent(int slot, Span<byte> blobs)
    {
        for (var layer = 0; layer < _layers.Length;)
        {
            if (_layers[layer] is { } local)
            {
                var own = local.Mixer is LightningMixer mixer ? mixer.StateBytesOf(slot) : [];
                own.CopyTo(blobs);
                blobs = blobs[own.Length..];
                layer++;
                continue;
            }

            var remote = RemoteOf(layer);
            var bytes = remote.State.Sum(part => part.StateBytes);
            remote.ReadRecurrent(remote.FirstLayer, remote.EndLayer, slot, blobs[..bytes]);
            blobs = blobs[bytes..];
            layer = remote.EndLayer;
        }
    }

    public void WriteRecurrent(int layer, int slot, ReadOnlySpan<byte> blob)
    {
        if (_layers[layer] is null)
        {
            RemoteOf(layer).WriteRecurrent(layer, slot, blob);
            return;
        }

        blob.CopyTo(Lightning(layer).StateBytesOf(slot));
    }

    public void ReadKeyValues(int layer, int page, int tokens, Span<byte> blob)
    {
        if (_layers[layer] is null)
        {
            RemoteOf(layer).ReadKeyValues(layer, page, tokens, blob);
            return;
        }

        Softmax(layer).ReadPage(page, tokens, MemoryMarshal.Cast<byte, float>(blob));
    }

    public void WriteKeyValues(int layer, int page, int tokens, ReadOnlySpan<byte> blob)
    {
        if (_layers[layer] is null)
        {
            RemoteOf(layer).WriteKeyValues(layer, page, tokens, blob);
            return;
        }

        Softmax(layer).WritePage(page, tokens, MemoryMarshal.Cast<byte, float>(blob));
    }

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
            this.Run(batch);
        }

        ClearState(slot: 0);
        foreach (var shard in _shards)
        {
            (shard as CpuShard)?.ClearLoad();
            (shard as RemoteShard)?.ClearLoad();
        }
    }

    public void Dispose()
    {
        _forward.Dispose();
        _team.Dispose();
    }

    private static void CheckCover(ModelGraph graph, IReadOnlyList<ICpuStage> stages)
    {
        var next = 0;
        foreach (var stage in stages)
        {
            next = stage.FirstLayer == next ? stage.EndLayer : -1;
        }

        if (next != graph.Layers.Length)
        {
            throw new ArgumentException(
                $"The stages cover layers {string.Join(", ", stages.Select(stage => $"[{stage.FirstLayer}, {stage.EndLayer})"))}; all of [0, {graph.Layers.Length}) in order are needed.",
                nameof(stages));
        }

        if (stages[0] is RemoteStage)
        {
            throw new ArgumentException("The first stage is on another silo. It belongs to the one that runs the steps: that is the replica's home.", nameof(stages));
        }
    }

    /// <summary>Where stages elsewhere find the experts.</summary>
    private static PartEndpoint[] EndpointsOf(IEnumerable<ICpuShard> shards) =>
    [
        .. shards.Select(shard => (shard as RemoteShard)?.Endpoint ?? (shard as CpuShard)?.Endpoint
            ?? throw new ArgumentException($"Experts [{shard.FirstExpert}, {shard.EndExpert}) are not served to other silos; a stage there needs them. Serve the shard by a listener first.")),
    ];

    private static StateShape ShapeOf(IReadOnlyList<ICpuStage> stages)
    {
        var layers = stages.SelectMany(stage => stage is RemoteStage remote
            ? remote.State
            : ((CpuStage)stage).Layers.Select(layer => (Layer: layer.Spec.Index, layer.Mixer.StateBytes, KeyValueBytes: layer.Mixer.KeyValueBytesPerToken))).ToArray();
        return new StateShape
        {
            Recurrent = [.. layers.Where(layer => layer.StateBytes > 0).Select(layer => (layer.Layer, layer.StateBytes))],
            KeyValue = [.. layers.Where(layer => layer.KeyValueBytes > 0).Select(layer => (layer.Layer, layer.KeyValueBytes))],
        };
    }

    private RemoteStage RemoteOf(int layer) => Array.Find(_remotes, remote => layer >= remote.FirstLayer && layer < remote.EndLayer)
        ?? throw new ArgumentOutOfRangeException(nameof(layer), layer, "There is no such layer.");

    private LightningMixer Lightning(int layer) =>
        _layers[layer]?.Mixer as LightningMixer ?? throw new ArgumentException($"Layer {layer} has no recurrent state.", nameof(layer));

    private SoftmaxMixer Softmax(int layer) =>
        _layers[layer]?.Mixer as SoftmaxMixer ?? throw new ArgumentException($"Layer {layer} has no keys and values.", nameof(layer));
}
