using Loire.Cuda;

namespace Loire.Engine.Backends.Cuda;

/// <summary>Captured decode steps, two for each size of batch: with candidates and without. A longer page table, and another place for the results, are new parameters of the same graph, not a new graph.</summary>
/// <remarks>A form's first step runs kernel by kernel, so that whatever is made at the first use is there when the second is captured.</remarks>
internal sealed class DecodeGraphs(CudaStream stream) : IDisposable
{
    private readonly Dictionary<(int Rows, bool HasCandidates), Captured> _bySize = [];

    /// <summary>Graphs captured, and graphs that took new parameters.</summary>
    public (int Captures, int Updates) Counts { get; private set; }

    /// <param name="form">Of the step; its integers are uploaded before.</param>
    /// <param name="places">Of the memory that the form's addresses lie in, and of the results.</param>
    /// <param name="enqueue">The same work, kernel by kernel.</param>
    public void Run(in StepForm form, StepPlaces places, Action enqueue)
    {
        if (!_bySize.TryGetValue((form.Rows, form.HasCandidates), out var captured))
        {
            enqueue();
            _bySize[(form.Rows, form.HasCandidates)] = new Captured();
            return;
        }

        if (captured.Graph is null)
        {
            Capture(captured, form, places, enqueue);
        }
        else if (captured.Form != form || captured.Places != places)
        {
            Update(captured, form, places, enqueue);
        }

        captured.Graph!.Launch(stream); // one of the two has made it
    }

    public void Dispose()
    {
        foreach (var captured in _bySize.Values)
        {
            captured.Graph?.Dispose();
        }

        _bySize.Clear();
    }

    private void Update(Captured captured, in StepForm form, StepPlaces places, Action enqueue)
    {
        if (captured.Graph!.TryUpdate(stream, enqueue)) // the caller has looked
        {
            (captured.Form, captured.Places) = (form, places);
            Counts = (Counts.Captures, Counts.Updates + 1);
            return;
        }

        captured.Graph.Dispose();
        captured.Graph = null;
        Capture(captured, form, places, enqueue);
    }

    private void Capture(Captured captured, in StepForm form, StepPlaces places, Action enqueue)
    {
        captured.Graph = CudaGraph.Capture(stream, enqueue);
        (captured.Form, captured.Places) = (form, places);
        Counts = (Counts.Captures + 1, Counts.Updates);
    }

    private sealed class Captured
    {
        public CudaGraph? Graph { get; set; }

        public StepForm Form { get; set; }

        public StepPlaces Places { get; set; }
    }
}

/// <summary>Where a captured step finds and leaves what is not the same in each.</summary>
/// <param name="Generation">Of the memory of its integers.</param>
/// <param name="FirstResult">Row of the results where its own begin.</param>
internal readonly record struct StepPlaces(int Generation, int FirstResult);
