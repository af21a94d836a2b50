using Loire.Cuda;

namespace Loire.Engine.Backends.Cuda;

/// <summary>Captured decode steps, two for each size of batch: with candidates and without. A longer page table is a new parameter of the same graph, not a new graph.</summary>
/// <remarks>A form's first step runs kernel by kernel, so that whatever is made at the first use is there when the second is captured.</remarks>
internal sealed class DecodeGraphs(CudaStream stream) : IDisposable
{
    private readonly Dictionary<(int Rows, bool HasCandidates), Captured> _bySize = [];

    /// <summary>Graphs captured, and graphs that took new parameters.</summary>
    public (int Captures, int Updates) Counts { get; private set; }

    /// <param name="form">Of the step; its integers are uploaded before.</param>
    /// <param name="generation">Of the memory that the form's addresses lie in.</param>
    /// <param name="enqueue">The same work, kernel by kernel.</param>
    public void Run(in StepForm form, int generation, Action enqueue)
    {
        if (!_bySize.TryGetValue((form.Rows, form.HasCandidates), out var captured))
        {
            enqueue();
            _bySize[(form.Rows, form.HasCandidates)] = new Captured();
            return;
        }

        if (captured.Graph is null)
        {
            Capture(captured, form, generation, enqueue);
        }
        else if (captured.Form != form || captured.Generation != generation)
        {
            Update(captured, form, generation, enqueue);
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

    private void Update(Captured captured, in StepForm form, int generation, Action enqueue)
    {
        if (captured.Graph!.TryUpdate(stream, enqueue)) // the caller has looked
        {
            (captured.Form, captured.Generation) = (form, generation);
            Counts = (Counts.Captures, Counts.Updates + 1);
            return;
        }

        captured.Graph.Dispose();
        captured.Graph = null;
        Capture(captured, form, generation, enqueue);
    }

    private void Capture(Captured captured, in StepForm form, int generation, Action enqueue)
    {
        captured.Graph = CudaGraph.Capture(stream, enqueue);
        (captured.Form, captured.Generation) = (form, generation);
        Counts = (Counts.Captures + 1, Counts.Updates);
    }

    private sealed class Captured
    {
        public CudaGraph? Graph { get; set; }

        public StepForm Form { get; set; }

        public int Generation { get; set; }
    }
}
