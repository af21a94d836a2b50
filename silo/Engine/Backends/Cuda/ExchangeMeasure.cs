using System.Diagnostics;
using Loire.Cuda;
using Loire.Engine.Replica;

namespace Loire.Engine.Backends.Cuda;

/// <summary>Times what the parts of a stage do to add their sums, with no other work between: each gives its rows to all, and all meet. A layer does it twice.</summary>
internal sealed class ExchangeMeasure
{
    private const int Rounds = 200;

    private readonly CudaStage _stage;
    private readonly PartSums[] _sums;
    private readonly int _hidden;

    /// <param name="stage">Of several parts.</param>
    /// <param name="hidden">Of a row.</param>
    public ExchangeMeasure(CudaStage stage, int hidden)
    {
        _stage = stage;
        _hidden = hidden;
        _sums = [.. stage.Parts.Select(part => new PartSums(part, stage.Parts, hidden))];
    }

    /// <summary>Of one exchange: what a step of the stage has at most.</summary>
    public int MostRows => _stage.First.Buffers.Rows;

    /// <summary>Of one exchange in a captured graph.</summary>
    public ExchangeTimes Of(int rows) => new(
        rows,
        TimeCaptured(() =>
        {
            Push(rows);
            _stage.Meet();
        }),
        Best(() => Repeat(() => Copy(rows)))); // the driver captures no copies to another device

    private void Push(int rows)
    {
        for (var i = 0; i < _sums.Length; i++)
        {
            _stage.Parts[i].Device.MakeCurrent();
            _sums[i].OfMixer(null, rows);
        }
    }

    /// <summary>The driver's own copies of the same rows, both ways at once and with nobody waiting for anybody.</summary>
    private void Copy(int rows)
    {
        foreach (var part in _stage.Parts)
        {
            part.Device.MakeCurrent();
            foreach (var peer in _stage.Parts)
            {
                if (peer != part)
                {
                    part.Stream.CopyToPeer(part.Buffers.ProjectedOf(rows), peer.Device, new DeviceVector<float>(peer.Sums!.OfFeedForward, (long)rows * _hidden)); // a part of several has them
                }
            }
        }
    }

    private TimeSpan TimeCaptured(Action round)
    {
        _stage.First.Device.MakeCurrent();
        using var graph = CudaGraph.Capture(_stage.First.Stream, () => Repeat(round));
        return Best(() => graph.Launch(_stage.First.Stream));
    }

    private void Repeat(Action round)
    {
        _stage.Scatter();
        for (var i = 0; i < Rounds; i++)
        {
            round();
        }

        _stage.Gather();
    }

    private TimeSpan Best(Action rounds)
    {
        var best = TimeSpan.MaxValue;
        for (var run = 0; run < 5; run++)
        {
            var start = Stopwatch.GetTimestamp();
            rounds();
            _stage.First.Stream.Synchronize();
            var time = Stopwatch.GetElapsedTime(start) / Rounds;
            best = time < best ? time : best;
        }

        return best;
    }
}
