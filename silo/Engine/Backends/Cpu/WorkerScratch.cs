using Loire.Engine.Backends.Cpu.Kernels;

namespace Loire.Engine.Backends.Cpu;

/// <summary>Memory of one worker for the item it works on.</summary>
internal sealed unsafe class WorkerScratch : IDisposable
{
    /// <summary>Query rows that one attention item handles together: with them, their scores and a page of keys fit the first-level cache.</summary>
    public const int AttentionRows = 24;

    private readonly CpuBuffer<float> _floats;
    private readonly CpuBuffer<nint> _rows;
    private readonly CpuBuffer<int> _groups;

    /// <param name="maxRows">Of a step.</param>
    /// <param name="choices">Experts a row chooses.</param>
    /// <param name="experts">Of a layer.</param>
    /// <param name="headDim">Largest of the model.</param>
    /// <param name="queryGroup">Most query heads that share a key-value head.</param>
    public WorkerScratch(int maxRows, int choices, int experts, int headDim, int queryGroup)
    {
        const int Page = State.StateShape.PageTokens;
        var attentionRows = Math.Max(AttentionRows, queryGroup);
        var rows = Math.Max(maxRows * choices, Math.Max(attentionRows, headDim));
        _rows = new CpuBuffer<nint>(rows);
        _groups = new CpuBuffer<int>((2L * experts) + 1 + ((long)maxRows * choices));
        var tile = (long)rows * TileKernel.MaxColumns;
        _floats = new CpuBuffer<float>(
            tile + ((long)attentionRows * (Page + headDim)) + (3L * attentionRows) + (3L * headDim * Page) + (Page * Page) + 256);
        var next = _floats.Pointer;
        Tile = Take(ref next, tile);
        Scores = Take(ref next, Math.Max((long)attentionRows * Page, Page * Page));
        Accumulated = Take(ref next, (long)attentionRows * headDim);
        Maxima = Take(ref next, attentionRows);
        Sums = Take(ref next, attentionRows);
        Transposed = Take(ref next, (long)headDim * Page);
        Decayed = Take(ref next, (long)headDim * Page);
    }

    /// <summary>Row pointers for <see cref="Tiles"/>.</summary>
    public float** Rows => (float**)_rows.Pointer;

    /// <summary><c>[rows, 64]</c>: results of one panel.</summary>
    public float* Tile { get; }

    /// <summary><c>[attention rows, 64]</c>, or one lightning chunk's <c>[64, 64]</c>.</summary>
    public float* Scores { get; }

    /// <summary><c>[attention rows, headDim]</c></summary>
    public float* Accumulated { get; }

    public float* Maxima { get; }

    public float* Sums { get; }

    /// <summary><c>[headDim, 64]</c>: keys of a chunk.</summary>
    public float* Transposed { get; }

    /// <summary><c>[64, headDim]</c> or <c>[headDim, 64]</c>: queries or keys with their decay.</summary>
    public float* Decayed { get; }

    /// <summary>Counting sort of choices by expert: offsets, then entries.</summary>
    public int* Groups => _groups.Pointer;

    public void Dispose()
    {
        _floats.Dispose();
        _rows.Dispose();
        _groups.Dispose();
    }

    private static float* Take(ref float* next, long count)
    {
        var taken = next;
        next += (count + TileKernel.Lanes - 1) / TileKernel.Lanes * TileKernel.Lanes;
        return taken;
    }
}
