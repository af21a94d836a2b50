using System.Collections.Concurrent;

namespace Loire.Actors.Tests;

/// <summary>Where grains say what they do, and wait for the test to let them go on.</summary>
public sealed class Board
{
    private readonly ConcurrentDictionary<string, TaskCompletionSource> _signals = new();
    private readonly ConcurrentQueue<string> _notes = new();

    public string[] Notes => [.. _notes];

    public void Note(string text) => _notes.Enqueue(text);

    /// <summary>Opens a gate for good.</summary>
    public void Open(string gate) => Signal(gate).TrySetResult();

    /// <summary>Waits for a gate.</summary>
    public Task Passed(string gate) => Signal(gate).Task;

    /// <summary>Waits for a gate in a test: not for ever, and with a message of what was seen instead.</summary>
    public async Task Seen(string gate)
    {
        try
        {
            await Passed(gate).WaitAsync(TestSilo.Patience);
        }
        catch (TimeoutException)
        {
            throw new TimeoutException($"'{gate}' was awaited; the last seen were: {string.Join(", ", Notes.TakeLast(20))}");
        }
    }

    private TaskCompletionSource Signal(string gate) =>
        _signals.GetOrAdd(gate, _ => new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously));
}
