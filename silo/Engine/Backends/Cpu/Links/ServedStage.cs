using System.Runtime.InteropServices;
using Loire.Engine.Links;
using Loire.Engine.Replica;

namespace Loire.Engine.Backends.Cpu.Links;

/// <summary>The answering end of <see cref="RemoteStage"/>: a forward program over the stage's layers, with links of its own to expert shards.</summary>
internal sealed unsafe class ServedStage : IServedPart
{
    private const int MaxSlots = 1 << 16;
    private const int MaxPages = 1 << 26;
    private const int MaxRows = 1 << 16;
    private const int MaxShards = 4096;

    private readonly CpuStage _stage;
    private readonly TensorListener _home;
    private readonly BackendSizes _sizes;
    private readonly StageState _state;
    private readonly WorkerTeam _team;
    private readonly CpuForward _forward;
    private readonly StepBatch _batch;
    private readonly List<int>[] _tables;
    private List<ICpuShard> _shards;

    private ServedStage(CpuStage stage, TensorListener home, BackendSizes sizes, List<ICpuShard> shards)
    {
        (_stage, _home, _sizes, _shards) = (stage, home, sizes, shards);
        _state = new StageState(stage, sizes);
        _team = new WorkerTeam(home.Threads);
        _forward = new CpuForward(stage.Graph, [stage], shards, _team, sizes.MaxRows, sizes.MaxLogitsRows);
        _batch = new StepBatch(sizes.MaxRows, sizes.Slots, sizes.MaxLogitsRows);
        _tables = [.. Enumerable.Range(0, sizes.Slots).Select(_ => new List<int>())];
    }

    /// <exception cref="PartLostException">A shard that it needs is not there.</exception>
    public static ServedStage Open(CpuStage stage, TensorListener home, ref PayloadReader request, PinnedBuffer answer)
    {
        var sizes = new BackendSizes(
            request.Int("Slots", 1, MaxSlots), request.Int("Pages", 1, MaxPages), request.Int("The rows of a step", 1, MaxRows), request.Int("The logits of a step", 1, MaxRows), home.Threads) { CommitsStates = true };
        var shards = ReadShards(ref request, home, []);
        answer.Append(stage.Layers.Length);
        foreach (var layer in stage.Layers)
        {
            answer.Append(layer.Spec.Index);
            answer.Append(layer.Mixer.StateBytes);
            answer.Append(layer.Mixer.KeyValueBytesPerToken);
        }

        return new ServedStage(stage, home, sizes, shards);
    }

    public void Answer(FrameKind kind, PinnedBuffer request, PinnedBuffer answer)
    {
        var reader = new PayloadReader(request.Payload);
        switch (kind)
        {
            case FrameKind.Step:
                Step(ref reader, answer);
                break;
            case FrameKind.Route:
                Route(ref reader);
                break;
            default:
                _state.Answer(kind, ref reader, answer);
                break;
        }
    }

    public void Dispose()
    {
        _team.Dispose();
        _forward.Dispose();
        Release(_shards, []);
    }

    private void Step(ref PayloadReader request, PinnedBuffer answer)
    {
        _batch.Clear();
        StepFrame.Read(ref request, _batch, _tables, _sizes.Slots, _sizes.Pages);
        var buffers = _forward.Step.Buffers;
        var stream = new Span<float>(buffers.Stream, _batch.RowCount * _stage.Graph.HiddenSize);
        request.Bytes(stream.Length * sizeof(float)).CopyTo(MemoryMarshal.AsBytes(stream));
        request.End();
        _forward.Run(_batch);
        var isLast = _stage.Output is not null;
        answer.Append(isLast ? 1 : 0);
        answer.Append(MemoryMarshal.AsBytes(isLast ? new ReadOnlySpan<float>(buffers.Logits, _batch.LogitsCount * _stage.Graph.VocabularySize) : stream));
    }

    /// <summary>Keeps the links to shards that stay where they are.</summary>
    private void Route(ref PayloadReader request)
    {
        var shards = ReadShards(ref request, _home, _shards);
        _forward.Route(shards);
        Release(_shards, shards);
        _shards = shards;
    }

    private static List<ICpuShard> ReadShards(ref PayloadReader request, TensorListener home, List<ICpuShard> known)
    {
        var shards = new List<ICpuShard>();
        try
        {
            for (var left = request.Int("The number of shards", 0, MaxShards); left > 0; left--)
            {
                var endpoint = new PartEndpoint(request.Text(), request.Text());
                shards.Add(known.OfType<RemoteShard>().FirstOrDefault(shard => shard.Endpoint == endpoint) ?? home.Shard(endpoint));
            }

            request.End();
            return shards;
        }
        catch
        {
            Release(shards, known);
            throw;
        }
    }

    private static void Release(List<ICpuShard> shards, List<ICpuShard> kept)
    {
        foreach (var shard in shards.OfType<RemoteShard>().Except(kept.OfType<RemoteShard>()))
        {
            shard.Dispose();
        }
    }
}
