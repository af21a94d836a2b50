using Loire.Cuda;

namespace Loire.Engine.Backends.Cuda;

/// <summary>Layers on one GPU, or on several that share them: enqueues steps on all of them.</summary>
/// <remarks>
/// Work is enqueued for the first part's stream: the streams of the others wait for it before, and it for them after, so that one graph holds the kernels of all.
/// Parts meet behind each mixer and each feed-forward: none goes on before all have given their sums.
/// </remarks>
internal sealed class CudaStage : IDisposable
{
    private readonly DecodeGraphs?[] _graphs;
    private readonly Action _enqueueStep;
    private StepForm _form;
    private int _lane;
    private int _firstResult;
    private bool _follows;

    /// <param name="parts">In the order of the group; the stage disposes them.</param>
    /// <param name="hidden">Of a row.</param>
    /// <param name="useGraphs">For decode steps.</param>
    public CudaStage(CudaPart[] parts, int hidden, bool useGraphs)
    {
        Parts = parts;
        _graphs = [.. First.Lanes.Select(_ => useGraphs ? new DecodeGraphs(First.Stream) : null)];
        _enqueueStep = EnqueueKernels;
        if (parts.Length == 1)
        {
            return;
        }

        foreach (var part in parts)
        {
            Array.ForEach(parts, peer =>
            {
                if (peer.Device.Ordinal != part.Device.Ordinal)
                {
                    part.Device.EnablePeer(peer.Device);
                }
            });
            part.Forward.Join(new PartSums(part, parts, hidden));
        }
    }

    public CudaPart[] Parts { get; }

    /// <summary>On whose stream graphs are launched, and others wait.</summary>
    public CudaPart First => Parts[0];

    /// <summary>Graphs captured, and graphs that took new parameters.</summary>
    public (int Captures, int Updates) GraphCounts => (_graphs.Sum(graphs => graphs?.Counts.Captures ?? 0), _graphs.Sum(graphs => graphs?.Counts.Updates ?? 0));

    /// <summary>Enqueues the step's integers, then its kernels.</summary>
    /// <param name="batch">May be filled anew at once.</param>
    /// <param name="form">Of the batch.</param>
    /// <param name="lane">What is enqueued waits for the step that had it before.</param>
    /// <param name="firstResult">Row of the results where the step's begin.</param>
    public void Enqueue(StepBatch batch, in StepForm form, int lane, int firstResult)
    {
        (_form, _lane, _firstResult) = (form, lane, firstResult);
        _follows = batch.Follows || form.IsDecode; // what is captured is the same for each
        foreach (var part in Parts)
        {
            Upload(part, batch);
        }

        Gather();
        First.Device.MakeCurrent();
        if (form.IsDecode && _graphs[lane] is { } graphs)
        {
            graphs.Run(form, new StepPlaces(First.Lanes[lane].Block.Generation, firstResult), _enqueueStep);
        }
        else
        {
            EnqueueKernels();
        }

        First.Stream.Record(First.Lanes[lane].Done);
        Scatter();
    }

    /// <summary>What is enqueued from here on comes after that.</summary>
    public void Wait(CudaEvent awaited)
    {
        foreach (var part in Parts)
        {
            part.Stream.Wait(awaited);
        }
    }

    /// <summary>Enqueues copies of the tokens that the last step has chosen to a stage's parts, where the next step looks for them.</summary>
    public void Carry(CudaStage to)
    {
        var (from, rows) = (First.Carried.AsVector<int>(), _form.LogitsRows);
        foreach (var part in to.Parts)
        {
            if (part != First && rows > 0)
            {
                First.Stream.CopyToPeer(from.Slice(_firstResult, rows), part.Device, part.Carried.AsVector<int>().Slice(_firstResult, rows));
            }
        }
    }

    /// <summary>Enqueues copies of the last step's results to the host. When the first part's are there, all are.</summary>
    public void Download()
    {
        First.Stream.Record(First.Met);
        foreach (var part in Parts)
        {
            part.Device.MakeCurrent();
            part.Downloads.Wait(First.Met);
            if (_form.LogitsRows > 0)
            {
                part.Results!.EnqueueCopies(_firstResult, _form.LogitsRows, _form.HasCandidates); // the caller has the last stage
            }

            if (part != First)
            {
                part.Downloads.Record(part.Met);
                First.Downloads.Wait(part.Met);
            }
        }
    }

    /// <summary>Enqueues the copy of the step's stream to the next stage, which waits for it.</summary>
    public void Send(CudaStage next, int lane)
    {
        Wait(next.First.Lanes[lane].Done); // until then it reads what came before
        for (var i = 0; i < next.Parts.Length; i++)
        {
            var (sender, receiver) = (Parts[i % Parts.Length], next.Parts[i]);
            sender.Device.MakeCurrent();
            var sent = sender.Buffers.ProjectedOf(_form.Rows);
            sender.Stream.CopyToPeer(sent, receiver.Device, receiver.Lanes[lane].CarryOf(_form.Rows));
        }

        Gather();
        First.Stream.Record(First.Met);
        next.First.Stream.Wait(First.Met);
        next.Scatter();
    }

    public void Synchronize() => Array.ForEach(Parts, part =>
    {
        part.Device.MakeCurrent();
        part.Stream.Synchronize();
        part.Transfers.Synchronize();
        part.Downloads.Synchronize();
    });

    public void Dispose()
    {
        Array.ForEach(_graphs, graphs => graphs?.Dispose());
        Array.ForEach(Parts, part => part.Dispose());
    }

    private void EnqueueKernels()
    {
        Scatter();
        foreach (var part in Parts)
        {
            part.Device.MakeCurrent();
            part.Forward.Begin(_form, part.Lanes[_lane], _follows);
        }

        for (var layer = 0; layer < First.Weights.Layers.Length; layer++)
        {
            EnqueueLayer(layer);
        }

        foreach (var part in Parts)
        {
            part.Device.MakeCurrent();
            if (part.Range.IsLast)
            {
                part.Forward.Score(part.Lanes[_lane], _firstResult);
            }
            else
            {
                part.Forward.Carry();
            }
        }

        Gather();
        if (First.Range.IsLast)
        {
            First.Device.MakeCurrent();
            First.Forward.Choose(Parts, First.Lanes[_lane], _firstResult);
        }
    }

    /// <summary>On a stream of its own, beside the steps that run.</summary>
    private void Upload(CudaPart part, StepBatch batch)
    {
        var lane = part.Lanes[_lane];
        part.Device.MakeCurrent();
        part.Copier.Join(part.Stream);
        part.Transfers.Wait(First.Lanes[_lane].Done);
        lane.Block.Upload(part.Transfers, batch, _form);
        part.Transfers.Record(lane.Sent);
        part.Stream.Wait(lane.Sent);
    }

    private void EnqueueLayer(int layer)
    {
        foreach (var part in Parts)
        {
            part.Device.MakeCurrent();
            part.Forward.Mix(layer);
        }

        Meet();
        foreach (var part in Parts)
        {
            part.Device.MakeCurrent();
            part.Forward.Feed(layer);
        }

        Meet();
    }

    /// <summary>No part goes on before all have come here.</summary>
    public void Meet()
    {
        if (Parts.Length == 1)
        {
            return;
        }

        Array.ForEach(Parts, part => part.Stream.Record(part.Met));
        foreach (var part in Parts)
        {
            foreach (var other in Parts)
            {
                if (other != part)
                {
                    part.Stream.Wait(other.Met);
                }
            }
        }
    }

    /// <summary>The first part's stream waits for the others.</summary>
    public void Gather()
    {
        foreach (var part in Parts.AsSpan(1))
        {
            part.Stream.Record(part.Met);
            First.Stream.Wait(part.Met);
        }
    }

    /// <summary>The others' streams wait for the first part's.</summary>
    public void Scatter()
    {
        if (Parts.Length == 1)
        {
            return;
        }

        First.Stream.Record(First.Met);
        foreach (var part in Parts.AsSpan(1))
        {
            part.Stream.Wait(First.Met);
        }
    }
}
