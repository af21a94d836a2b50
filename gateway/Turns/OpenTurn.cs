using Loire.Contracts;

namespace Loire.Gateway;

/// <summary>A turn that has been admitted: its start is known, its tokens are to come. Disposing it before the end cancels it.</summary>
internal sealed class OpenTurn : IAsyncDisposable
{
    public required ServedModel Model { get; init; }

    /// <summary>Null when nothing is kept of the turn.</summary>
    public required string? Session { get; init; }

    public required string TurnId { get; init; }
    public required ulong Seed { get; init; }
    public required TurnStart Start { get; init; }

    /// <summary>Positioned at the started event.</summary>
    public required IAsyncEnumerator<TurnEvent> Events { get; init; }

    public ValueTask DisposeAsync() => Events.DisposeAsync();
}
