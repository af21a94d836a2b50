using System.Diagnostics;
using System.Text.Json;
using Loire.Cli.Http;

namespace Loire.Cli.Chat;

/// <summary>Reads lines, streams answers. The server keeps the conversation; nothing of it is held here but its name.</summary>
internal sealed class ChatTerminal(ServerClient client, string session, double temperature)
{
    private const string Help = """
        /fork NAME      go on in a copy of this session; this one stays as it is
        /rewind [N]     take back the last turn, or the last N
        /session NAME   go on with another session, or begin it
        /sessions       list all sessions
        /quit           leave; the session stays
        """;

    private string _session = session;

    public async Task RunAsync(CancellationToken cancellationToken)
    {
        Console.WriteLine($"session '{_session}'   /help for more, /quit to leave");
        while (!cancellationToken.IsCancellationRequested)
        {
            Console.Write("> ");
            var line = (await Console.In.ReadLineAsync(cancellationToken))?.Trim();
            if (line is null or "/quit")
            {
                return;
            }

            try
            {
                await (line.StartsWith('/') ? CommandAsync(line, cancellationToken) : TurnAsync(line, cancellationToken));
            }
            catch (ApiException refusal)
            {
                Console.WriteLine($"! {refusal.Message}");
            }
        }
    }

    private async Task TurnAsync(string line, CancellationToken cancellationToken)
    {
        if (line.Length == 0)
        {
            return;
        }

        var watch = Stopwatch.StartNew();
        TimeSpan? first = null;
        Usage? usage = null;
        var request = new ChatRequest { Messages = [Message.User(line)], SessionId = _session, Temperature = temperature };
        await foreach (var piece in client.StreamAsync(request, cancellationToken))
        {
            first ??= piece.Text.Length > 0 ? watch.Elapsed : null;
            usage = piece.Usage ?? usage;
            Console.Write(piece.Text);
        }

        Console.WriteLine();
        if (usage is not null)
        {
            Console.WriteLine($"  ({usage.PromptTokens} tokens before, {usage.CachedTokens} of them from the session's state; "
                + $"first after {(first ?? watch.Elapsed).TotalMilliseconds:0} ms, {usage.CompletionTokens} in {watch.Elapsed.TotalMilliseconds:0} ms)");
        }
    }

    private async Task CommandAsync(string line, CancellationToken cancellationToken)
    {
        switch (line.Split(' ', StringSplitOptions.RemoveEmptyEntries))
        {
            case ["/fork", var name]:
                await client.ForkAsync(_session, name, cancellationToken);
                _session = name;
                Console.WriteLine($"session '{_session}'");
                break;
            case ["/rewind"]:
                await RewindAsync(1, cancellationToken);
                break;
            case ["/rewind", var count] when int.TryParse(count, out var turns):
                await RewindAsync(turns, cancellationToken);
                break;
            case ["/session", var name]:
                _session = name;
                Console.WriteLine($"session '{_session}'");
                break;
            case ["/sessions"]:
                await ListAsync(cancellationToken);
                break;
            default:
                Console.WriteLine(Help);
                break;
        }
    }

    private async Task RewindAsync(int turns, CancellationToken cancellationToken)
    {
        await client.RewindAsync(_session, turns, cancellationToken);
        Console.WriteLine($"went back {turns} turn{(turns == 1 ? "" : "s")}");
    }

    private async Task ListAsync(CancellationToken cancellationToken)
    {
        var page = await client.SessionsAsync(cancellationToken);
        foreach (var item in page.GetProperty("data").EnumerateArray())
        {
            Console.WriteLine($"  {Text(item, "id"),-24} {Text(item, "turn_count"),5} turns  {Text(item, "tokens"),7} tokens");
        }
    }

    private static string Text(JsonElement item, string name) => item.TryGetProperty(name, out var value) ? value.ToString() : "";
}
