using Loire.Engine.Backends;
using Loire.Engine.Replica;

namespace Loire.Engine.State;

/// <summary>Where one sequence's state is in a backend's memory.</summary>
/// <param name="Slot">Of the recurrent state.</param>
/// <param name="Pages">Of keys and values, in position order.</param>
internal sealed record StatePlace(int Slot, List<int> Pages);

/// <summary>Writes canonical blobs into a place that no step uses yet.</summary>
internal sealed class BackendStateTarget(IBackend backend, StatePlace place, int tokenCount, int fromPage = 0) : StateTarget
{
    public StatePlace Place => place;

    public override int FromPage => fromPage;

    public override StateShape Shape => backend.State;

    public override int TokenCount => tokenCount;

    public override void WriteRecurrent(int layer, ReadOnlySpan<byte> blob)
    {
        Check($"the recurrent state of layer {layer}", Shape.RecurrentBytesOf(layer), blob.Length);
        backend.WriteRecurrent(layer, place.Slot, blob);
    }

    public override void WritePage(int layer, int page, ReadOnlySpan<byte> blob)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)page, (uint)FullPages, nameof(page));
        ArgumentOutOfRangeException.ThrowIfLessThan(page, fromPage, nameof(page)); // shared with another state, and never written again
        Check($"page {page} of layer {layer}", Shape.KeyValueBytesOf(layer, StateShape.PageTokens), blob.Length);
        backend.WriteKeyValues(layer, place.Pages[page], StateShape.PageTokens, blob);
    }

    public override void WriteTail(int layer, ReadOnlySpan<byte> blob)
    {
        Check($"the last page of layer {layer}", Shape.KeyValueBytesOf(layer, TailTokens), blob.Length);
        backend.WriteKeyValues(layer, place.Pages[FullPages], TailTokens, blob);
    }

    private static void Check(string what, int expected, int found)
    {
        if (found != expected)
        {
            throw new StateRefusedException($"The blob of {what} has {found} bytes; this model's has {expected}.");
        }
    }
}

/// <summary>Recurrent state copied, pages held until disposal.</summary>
internal sealed class BackendStateSnapshot : StateSnapshot
{
    private readonly IBackend _backend;
    private readonly RecurrentCopy _recurrent;
    private readonly int[] _pages; // from FromPage on, the tail's page last
    private Action<int[]>? _release;

    /// <param name="backend">Read between two steps here, and at the held pages later.</param>
    /// <param name="place">Of the sequence.</param>
    /// <param name="tokenCount">Tokens that the state covers.</param>
    /// <param name="fromPage">First page to hold.</param>
    /// <param name="release">Gives the held pages back.</param>
    public BackendStateSnapshot(IBackend backend, StatePlace place, int tokenCount, int fromPage, Action<int[]> release)
    {
        _backend = backend;
        _release = release;
        TokenCount = tokenCount;
        FromPage = Math.Min(fromPage, FullPages);
        _pages = place.Pages.GetRange(FromPage, PagePool.PagesFor(tokenCount) - FromPage).ToArray();
        _recurrent = backend.CopyRecurrent(place.Slot);
    }

    public override StateShape Shape => _backend.State;

    public override int TokenCount { get; }

    public override int FromPage { get; }

    /// <summary>Pages that this snapshot holds.</summary>
    public ReadOnlySpan<int> Held => _pages;

    public override void ReadRecurrent(int layer, Span<byte> blob)
    {
        ObjectDisposedException.ThrowIf(_release is null, this);
        _recurrent.Read(layer, blob);
    }

    public override void ReadPage(int layer, int page, Span<byte> blob)
    {
        ObjectDisposedException.ThrowIf(_release is null, this);
        _backend.ReadKeyValues(layer, _pages[page - FromPage], StateShape.PageTokens, blob);
    }

    public override void ReadTail(int layer, Span<byte> blob)
    {
        ObjectDisposedException.ThrowIf(_release is null, this);
        _backend.ReadKeyValues(layer, _pages[^1], TailTokens, blob);
    }

    protected override void Dispose(bool disposing)
    {
        if (Interlocked.Exchange(ref _release, null) is { } release)
        {
            _recurrent.Dispose();
            release(_pages);
        }
    }
}
