using Loire.Cli.Http;
using Loire.Cli.Terminal;

namespace Loire.Cli.Serve;

/// <summary>A short conversation that the server holds with itself before it says that it is ready.</summary>
/// <remarks>
/// It goes the whole way of a turn, once into the store and once out of it, so that everything on that way is compiled:
/// otherwise the first person after a restart would wait ten times as long as the second. Nothing of it stays but
/// checkpoints with a time to live, the same ones at every start.
/// </remarks>
internal static class WarmUp
{
    private const int Turns = 3;

    // Some pages long, since pages and what comes after the last of them go different ways.
    private static readonly string s_text = string.Join(' ', Enumerable.Repeat("Hello!", 200));

    public static async Task RunAsync(Uri address, string? key, CancellationToken cancellationToken)
    {
        using var client = new ServerClient(address, key);
        try
        {
            await ConverseAsync(client, $"warm-up-{Guid.NewGuid():n}", cancellationToken);
        }
        catch (Exception fault) when (fault is CommandFailedException or HttpRequestException or ApiException)
        {
            // A full disk, say. Serving is possible all the same, and the first turn meets the same fault and reports it.
        }
    }

    private static async Task ConverseAsync(ServerClient client, string session, CancellationToken cancellationToken)
    {
        try
        {
            for (var turn = 0; turn < Turns; turn++)
            {
                var request = new ChatRequest { SessionId = session, Messages = [Message.User(s_text)], MaxTokens = 4, Stream = true };
                await foreach (var _ in client.StreamAsync(request, cancellationToken))
                {
                    // Reading it is all.
                }

                await client.HibernateAsync(session, cancellationToken);
            }
        }
        finally
        {
            await client.DeleteAsync(session, CancellationToken.None);
        }
    }
}
