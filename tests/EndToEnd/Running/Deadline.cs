namespace Loire.EndToEnd.Tests.Running;

/// <summary>How long anything may take here: far longer than it does, on a machine that is busy with something else.</summary>
internal static class Deadline
{
    private static readonly TimeSpan PollInterval = TimeSpan.FromMilliseconds(10);

    public static TimeSpan Generous { get; } = TimeSpan.FromSeconds(60);

    /// <summary>A token for one test's requests.</summary>
    public static CancellationToken Token() => new CancellationTokenSource(TimeSpan.FromMinutes(5)).Token;

    /// <summary>Asks until the answer is yes. Says what was awaited, and what was last seen, when it never is.</summary>
    /// <param name="awaited">For the message.</param>
    /// <param name="look">What is seen now, and whether that is it.</param>
    public static async Task UntilAsync(string awaited, Func<Task<(bool Done, string Seen)>> look)
    {
        using var timer = new PeriodicTimer(PollInterval);
        using var deadline = new CancellationTokenSource(Generous);
        var seen = "nothing";
        try
        {
            do
            {
                (var done, seen) = await look();
                if (done)
                {
                    return;
                }
            }
            while (await timer.WaitForNextTickAsync(deadline.Token));
        }
        catch (OperationCanceledException)
        {
            Assert.Fail($"Awaited for {Generous.TotalSeconds:0} s: {awaited}. Last seen: {seen}.");
        }
    }
}
