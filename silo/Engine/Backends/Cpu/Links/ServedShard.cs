using System.Runtime.InteropServices;
using Loire.Engine.Backends.Cpu.Layers;
using Loire.Engine.Links;
using Loire.Engine.Models;

namespace Loire.Engine.Backends.Cpu.Links;

/// <summary>The answering end of <see cref="RemoteShard"/>: computes the rows that one forward program sends, with workers of its own.</summary>
internal sealed unsafe class ServedShard : IServedPart, ITeamWork
{
    private const int EntriesWorthClaiming = 16;
    private const int MaxEntries = 1 << 20;

    private readonly CpuShard _shard;
    private readonly WorkerTeam _team;
    private readonly int _hidden;
    private readonly int _width;
    private WorkerScratch[] _scratch = [];
    private CpuBuffer<float>? _activated;
    private int _room;

    private CpuBuffer<int>? _inputs;
    private CpuBuffer<int>? _outputs; // entry i goes to row i

    // Of the request that is being computed.
    private readonly CpuBuffer<int> _offsets;
    private Expert?[] _experts = [];
    private int _count;
    private float* _rows;
    private float* _answer;

    private ServedShard(CpuShard shard, int threads)
    {
        _shard = shard;
        _team = new WorkerTeam(threads);
        _hidden = shard.Graph.HiddenSize;
        _width = shard.Graph.Layers.Max(layer => (layer.FeedForward as MoeSpec)?.Width ?? 0);
        _offsets = new CpuBuffer<int>(shard.EndExpert - shard.FirstExpert + 1);
    }

    public static ServedShard Open(CpuShard shard, int threads, ref PayloadReader request, PinnedBuffer answer)
    {
        request.End();
        answer.Append(shard.FirstExpert);
        answer.Append(shard.EndExpert);
        answer.Append(shard.Graph.HiddenSize);
        answer.Append(BitConverter.GetBytes(shard.WeightBytes));
        return new ServedShard(shard, threads);
    }

    public void Answer(FrameKind kind, PinnedBuffer request, PinnedBuffer answer)
    {
        var reader = new PayloadReader(request.Payload);
        switch (kind)
        {
            case FrameKind.Experts:
                Compute(ref reader, answer);
                break;
            case FrameKind.ShardLoad:
                _shard.CopyLoad(MemoryMarshal.Cast<byte, long>(answer.Extend((_shard.EndExpert - _shard.FirstExpert) * sizeof(long))));
                break;
            case FrameKind.ClearLoad:
                _shard.ClearLoad();
                break;
            default:
                throw new FrameException($"An expert shard answers no request of kind {kind}.");
        }
    }

    void ITeamWork.Run(Worker worker)
    {
        var own = _scratch[worker.Index];
        var claims = _count >= EntriesWorthClaiming;
        var offsets = _offsets.Pointer;
        var activated = _activated!.Pointer; // reserved before the team runs, like the two below
        new ExpertGroups(_experts, offsets, _inputs!.Pointer, divisor: 1, claims).Activate(worker, own, _rows, _hidden, activated, _width);
        worker.Barrier();
        new ExpertGroups(_experts, offsets, _outputs!.Pointer, divisor: 1, claims).Project(worker, own, activated, _width, _answer, _hidden);
    }

    public void Dispose()
    {
        _team.Dispose();
        Free();
        _offsets.Dispose();
    }

    private void Compute(ref PayloadReader reader, PinnedBuffer answer)
    {
        var layer = reader.Int("The layer", 0, _shard.Graph.Layers.Length - 1);
        _count = reader.Int("The number of entries", 1, MaxEntries);
        Reserve(_count);
        _experts = _shard.Of(layer);
        ReadGroups(ref reader);
        ReadInputs(ref reader);
        answer.Resize(checked(_count * _hidden * sizeof(float)));
        _answer = (float*)answer.Pointer;
        _team.Run(this);
    }

    private void ReadGroups(ref PayloadReader reader)
    {
        var offsets = _offsets.Pointer;
        offsets[0] = 0;
        for (var i = 0; i < _experts.Length; i++)
        {
            var rows = reader.Int("The entries of an expert", 0, _count - offsets[i]);
            if (rows > 0 && _experts[i] is null)
            {
                throw new FrameException($"There is no expert {_shard.FirstExpert + i} in this layer.");
            }

            offsets[i + 1] = offsets[i] + rows;
            _shard.Count(_shard.FirstExpert + i, rows);
        }

        if (offsets[_experts.Length] != _count)
        {
            throw new FrameException($"{offsets[_experts.Length]} entries belong to experts; {_count} were promised.");
        }
    }

    private void ReadInputs(ref PayloadReader reader)
    {
        var inputs = reader.Ints(_count);
        inputs.CopyTo(new Span<int>(_inputs!.Pointer, _count)); // reserved
        var rows = reader.Int("The number of rows", 1, _count);
        if (inputs.IndexOfAnyExceptInRange(0, rows - 1) >= 0)
        {
            throw new FrameException($"An entry reads a row outside of the {rows} that came.");
        }

        var bytes = reader.Bytes(checked(rows * _hidden * sizeof(float)));
        reader.End();
        _rows = (float*)System.Runtime.CompilerServices.Unsafe.AsPointer(ref MemoryMarshal.GetReference(bytes)); // pinned by its buffer
    }

    /// <summary>Room for so many entries; grows to the largest step.</summary>
    private void Reserve(int entries)
    {
        if (entries <= _room)
        {
            return;
        }

        Free();
        _room = (int)Math.Min(MaxEntries, System.Numerics.BitOperations.RoundUpToPowerOf2((uint)entries));
        _scratch = [.. Enumerable.Range(0, _team.Count).Select(_ => new WorkerScratch(_room, choices: 1, experts: 1, headDim: 1, queryGroup: 1))];
        _activated = new CpuBuffer<float>((long)_room * _width);
        _inputs = new CpuBuffer<int>(_room);
        _outputs = new CpuBuffer<int>(_room);
        for (var i = 0; i < _room; i++)
        {
            _outputs.Pointer[i] = i;
        }
    }

    private void Free()
    {
        Array.ForEach(_scratch, own => own.Dispose());
        _scratch = [];
        _activated?.Dispose();
        _inputs?.Dispose();
        _outputs?.Dispose();
        _room = 0;
    }
}
