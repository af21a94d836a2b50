using System.Diagnostics;
using Loire.Engine.Backends.Cpu.Kernels;
using Loire.Engine.Links;

namespace Loire.Engine.Backends.Cpu;

/// <summary>What a step's time is spent on.</summary>
public enum StepPart
{
    Other,
    Projections,
    Lightning,
    Attention,
    Experts,
    Logits,

    /// <summary>Waiting for parts on other silos.</summary>
    Links,
}

/// <summary>What the layers of a step share: the batch, its buffers, each worker's scratch memory.</summary>
internal sealed unsafe class StepContext(StepBuffers buffers, WorkerScratch[] scratch) : IDisposable
{
    /// <summary>Below this many rows a phase is short: fixed shares cost less than claims.</summary>
    private const int RowsWorthClaiming = 16;

    private const int RowsPerBlock = 16 * TileKernel.MaxRows; // a block's tile stays in the second-level cache
    private readonly long[] _ticks = new long[Enum.GetValues<StepPart>().Length];
    private long _lapStart;

    /// <summary>Of the current step.</summary>
    public StepBatch Batch { get; set; } = new(0, 0, 0);

    public StepBuffers Buffers { get; } = buffers;

    /// <summary>Whether laps are timed.</summary>
    public bool IsProfiling { get; set; }

    public WorkerScratch Scratch(Worker worker) => scratch[worker.Index];

    /// <summary>This worker's items of a phase.</summary>
    public WorkItems Items(Worker worker, int count) => new(worker, count, Claims);

    /// <summary>Whether workers claim items one by one.</summary>
    public bool Claims => Batch.RowCount >= RowsWorthClaiming;

    /// <summary>Why the current step has come to nothing: a part on another silo is lost. Worker 0's.</summary>
    public PartLostException? Failure { get; set; }

    /// <summary><c>y = W x</c> for every row of the batch, each finished row of a panel handed to the epilogue; ends with a barrier.</summary>
    public void Product<TEpilogue>(Worker worker, PackedMatrix matrix, float* x, int stride, TEpilogue epilogue)
        where TEpilogue : struct, IEpilogue
    {
        Product(worker, matrix, x, stride, Batch.RowCount, epilogue);
        worker.Barrier();
    }

    /// <summary>The same over the first rows of any buffer, without the barrier.</summary>
    public void Product<TEpilogue>(Worker worker, PackedMatrix matrix, float* x, int stride, int rowCount, TEpilogue epilogue)
        where TEpilogue : struct, IEpilogue
    {
        var own = Scratch(worker);
        var blocks = (rowCount + RowsPerBlock - 1) / RowsPerBlock;
        foreach (var item in Items(worker, matrix.PanelCount * blocks))
        {
            var panel = item / blocks;
            var firstRow = item % blocks * RowsPerBlock;
            var count = Math.Min(RowsPerBlock, rowCount - firstRow);
            for (var i = 0; i < count; i++)
            {
                own.Rows[i] = x + ((long)(firstRow + i) * stride);
            }

            Tiles.MultiplyPanel(own.Rows, count, matrix, panel, own.Tile);
            for (var i = 0; i < count; i++)
            {
                epilogue.Store(own.Tile + ((nint)i * TileKernel.MaxColumns), firstRow + i, panel * TileKernel.MaxColumns);
            }
        }
    }

    /// <summary>Books the time since the last lap on a part. Worker 0 keeps the clock.</summary>
    public void Lap(Worker worker, StepPart part)
    {
        if (worker.Index == 0)
        {
            LapOfFirst(part);
        }
    }

    /// <summary>The same, by worker 0 itself.</summary>
    public void LapOfFirst(StepPart part)
    {
        if (IsProfiling)
        {
            var now = Stopwatch.GetTimestamp();
            _ticks[(int)part] += now - _lapStart;
            _lapStart = now;
        }
    }

    public void StartLaps() => _lapStart = Stopwatch.GetTimestamp();

    /// <summary>Time booked on a part since the last call.</summary>
    public TimeSpan TakeTime(StepPart part)
    {
        var ticks = _ticks[(int)part];
        _ticks[(int)part] = 0;
        return Stopwatch.GetElapsedTime(0, ticks);
    }

    public void Dispose()
    {
        Buffers.Dispose();
        foreach (var own in scratch)
        {
            own.Dispose();
        }
    }
}

/// <summary>The items that fall to one worker: a fixed share, or whatever it claims first.</summary>
internal ref struct WorkItems
{
    private readonly Worker _worker;
    private readonly int _count;
    private readonly bool _claims;
    private int _end;

    public WorkItems(Worker worker, int count, bool claims)
    {
        _worker = worker;
        _count = count;
        _claims = claims;
        if (claims)
        {
            Current = _end = -1;
        }
        else
        {
            (Current, _end) = worker.Share(count);
            Current--;
        }
    }

    public int Current { get; private set; }

    public readonly WorkItems GetEnumerator() => this;

    public bool MoveNext()
    {
        if (!_claims)
        {
            return ++Current < _end;
        }

        var more = _worker.Claim(_count, 1, out var item, out _);
        Current = item;
        return more;
    }
}
