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
    /// <param name="lane">Whose last step has ended.</param>
    /// <param name="firstResult">Row of the results where the step's begin.</param>
    public void Enqueue(StepBatch batch, in StepForm form, int lane, int firstResult)
    {
        (_form, _lane, _firstResult) = (form, lane, firstResult);
        foreach (var part in Parts)
        {
            part.Device.MakeCurrent();
            part.Copier.Join(part.Stream);
            part.Lanes[lane].Block.Upload(part.Stream, batch, form);
        }

        Gather();
        First.Device.MakeCurrent();
        if (form.IsDecode && _graphs[lane] is { } graphs)
        {
            graphs.Run(form, First.Lanes[lane].Block.Generation, _enqueueStep);
        }
        else
        {
            EnqueueKernels();
        }

        Scatter();
    }

    /// <summary>Enqueues the copy of the step's stream to the next stage, which waits for it.</summary>
    public void Send(CudaStage next, int lane)
    {
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
            part.Forward.Begin(_form, part.Lanes[_lane]);
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
