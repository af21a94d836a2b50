using Loire.Contracts;

namespace Loire.Silo.Sessions;

/// <summary>A session on its way to another silo: where to, what became of its state, and how long it could run no turn.</summary>
/// <param name="to">Name of the silo. Null: any; the state is left to the store.</param>
/// <param name="mayEvict">Whether the state may take the place of others there.</param>
/// <param name="time">Measures the pause.</param>
internal sealed class Departure(string? to, bool mayEvict, TimeProvider time)
{
    private long _since = time.GetTimestamp();

    public string? To => to;

    public bool MayEvict => mayEvict;

    public bool WasRunning { get; set; }

    /// <summary>Null while nothing was sent.</summary>
    public StateReceipt? Receipt { get; set; }

    public TimeSpan Pause { get; private set; }

    public StateRoute Via => Receipt is { Taken: true } ? StateRoute.Link : StateRoute.Store;

    public void Begin() => _since = time.GetTimestamp();

    public void End() => Pause = Pause == TimeSpan.Zero ? time.GetElapsedTime(_since) : Pause;
}
