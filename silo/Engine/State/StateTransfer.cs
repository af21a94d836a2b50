using Loire.Engine.Replica;

namespace Loire.Engine.State;

/// <summary>The slot and pages reserved for a state that is being read. Calls may come from several threads.</summary>
/// <remarks>Every recurrent layer, and every page from <see cref="FromPage"/> on and tail below the token count, is written exactly once.</remarks>
public abstract class StateTarget
{
    public abstract StateShape Shape { get; }

    public abstract int TokenCount { get; }

    /// <summary>First full page that is to be written: those before it are here already.</summary>
    public virtual int FromPage => 0;

    public int FullPages => TokenCount / StateShape.PageTokens;

    public int TailTokens => TokenCount % StateShape.PageTokens;

    /// <exception cref="StateRefusedException">Wrong length.</exception>
    public abstract void WriteRecurrent(int layer, ReadOnlySpan<byte> blob);

    public abstract void WritePage(int layer, int page, ReadOnlySpan<byte> blob);

    public abstract void WriteTail(int layer, ReadOnlySpan<byte> blob);
}

/// <summary>An immutable copy of a state between two steps: recurrent state and tail copied, full pages held.</summary>
public abstract class StateSnapshot : IDisposable
{
    public abstract StateShape Shape { get; }

    public abstract int TokenCount { get; }

    /// <summary>First full page that this snapshot can write.</summary>
    public abstract int FromPage { get; }

    public int FullPages => TokenCount / StateShape.PageTokens;

    public int TailTokens => TokenCount % StateShape.PageTokens;

    /// <summary>Fills <paramref name="blob"/>, whose length is the blob's.</summary>
    public abstract void ReadRecurrent(int layer, Span<byte> blob);

    public abstract void ReadPage(int layer, int page, Span<byte> blob);

    public abstract void ReadTail(int layer, Span<byte> blob);

    public void Dispose()
    {
        Dispose(disposing: true);
        GC.SuppressFinalize(this);
    }

    protected abstract void Dispose(bool disposing);
}
