using System.Collections.Concurrent;
using System.Diagnostics;
using System.Text;
using Loire.Cli.Http;

namespace Loire.Cli.Chaos;

/// <summary>An application that talks to the cluster through its gateways, and holds what it sees against what it should.</summary>
/// <param name="gateways">Used in turn. When one breaks off, the next is asked for the same turn.</param>
/// <param name="expected">Answers of the undisturbed run: by script, then turn.</param>
internal sealed class ChaosClient(IReadOnlyList<ServerClient> gateways, IReadOnlyList<string[]> expected)
{
    private const double NotableMilliseconds = 250;
    private const int MostNotes = 10;

    private readonly ConcurrentQueue<double> _pauses = [];
    private readonly ConcurrentQueue<string> _differences = [];
    private readonly ConcurrentQueue<string> _refusals = [];
    private readonly ConcurrentDictionary<string, List<string>> _acknowledged = [];
    private int _asked;
    private int _askedAgain;
    private int _different;
    private int _turns;
    private long _tokens;

    /// <summary>What each session should hold at the end: the ids of its turns, in order.</summary>
    public IReadOnlyDictionary<string, List<string>> Acknowledged => _acknowledged;

    public IEnumerable<double> Pauses => _pauses;

    /// <summary>The first differences and the first refusals.</summary>
    public IEnumerable<string> Notes => _differences.Concat(_refusals);

    public int AskedAgain => _askedAgain;

    public int Different => _different;

    public int Turns => _turns;

    public long Tokens => _tokens;

    /// <summary>Holds the conversation again and again, in a new session each time, until it is told to stop.</summary>
    public async Task RunAsync(ChaosScript script, CancellationToken stop)
    {
        for (var round = 0; !stop.IsCancellationRequested; round++)
        {
            var session = $"chaos-{script.Number}-{round}";
            var held = _acknowledged[session] = [];
            for (var turn = 0; turn < script.Turns.Count && !stop.IsCancellationRequested; turn++)
            {
                var turnId = $"t{turn}";
                var text = await AskAsync(script.Turns[turn].Request(session, turnId), expected[script.Number][turn]);
                lock (held)
                {
                    held.Add(turnId);
                }

                Interlocked.Increment(ref _turns);
                if (text != expected[script.Number][turn])
                {
                    Interlocked.Increment(ref _different);
                    Note(_differences, $"{session}, turn {turn}: {FirstDifference(expected[script.Number][turn], text)}");
                    break; // what follows would differ as well
                }
            }
        }
    }

    /// <summary>A turn until its end was seen. What a gateway gives up, an application asks for again with the same id, of the next gateway.</summary>
    private async Task<string> AskAsync(ChatRequest request, string whole)
    {
        for (var gateway = (uint)Interlocked.Increment(ref _asked); ; gateway++)
        {
            var text = new StringBuilder();
            try
            {
                await ReadAsync(gateways[(int)(gateway % gateways.Count)], request, text);
                return text.ToString();
            }
            catch (Exception refused) when (refused is ApiException or HttpRequestException or IOException)
            {
                Interlocked.Increment(ref _askedAgain);
                Note(_refusals, $"{request.SessionId}, {request.TurnId}: {refused.Message}");
                CheckBrokenOff(request, text.ToString(), whole);
                await Task.Delay(200);
            }
        }
    }

    /// <summary>What was seen of a stream that broke off is the beginning of what it is in the end.</summary>
    private void CheckBrokenOff(ChatRequest request, string text, string whole)
    {
        if (!whole.StartsWith(text, StringComparison.Ordinal))
        {
            Interlocked.Increment(ref _different);
            Note(_differences, $"{request.SessionId}, {request.TurnId}, broken off: {FirstDifference(whole, text)}");
        }
    }

    private async Task ReadAsync(ServerClient gateway, ChatRequest request, StringBuilder text)
    {
        var last = Stopwatch.GetTimestamp();
        var longest = 0.0;
        Usage? usage = null;
        await foreach (var piece in gateway.StreamAsync(request, CancellationToken.None))
        {
            longest = Math.Max(longest, Stopwatch.GetElapsedTime(last).TotalMilliseconds);
            last = Stopwatch.GetTimestamp();
            text.Append(piece.Text);
            usage = piece.Usage ?? usage;
        }

        if (usage is null)
        {
            throw new IOException("The stream ended before the turn did.");
        }

        Interlocked.Add(ref _tokens, usage.CompletionTokens);
        if (longest > NotableMilliseconds)
        {
            _pauses.Enqueue(longest);
        }
    }

    private static string FirstDifference(string expected, string found)
    {
        var common = expected.AsSpan().CommonPrefixLength(found);
        return $"after {common} characters '{Cut(found, common)}' stands where '{Cut(expected, common)}' was said undisturbed";
    }

    private static string Cut(string text, int start) => text[start..Math.Min(text.Length, start + 30)];

    private static void Note(ConcurrentQueue<string> notes, string note)
    {
        if (notes.Count < MostNotes)
        {
            notes.Enqueue(note);
        }
    }
}
