using System.Diagnostics.Metrics;

namespace Loire.Telemetry;

/// <summary><c>loire.turn.*</c>: what turns cost and how they end.</summary>
public sealed class TurnMetrics
{
    private readonly Counter<long> _finished;
    private readonly Counter<long> _failed;
    private readonly Counter<long> _resumed;
    private readonly Counter<long> _promptTokens;
    private readonly Counter<long> _cachedTokens;
    private readonly Counter<long> _generatedTokens;
    private readonly Histogram<double> _firstToken;
    private readonly Histogram<double> _perToken;

    internal TurnMetrics(Meter meter)
    {
        _finished = meter.CreateCounter<long>("loire.turn.finished", description: "Turns that ended, by reason.");
        _failed = meter.CreateCounter<long>("loire.turn.failed", description: "Turns that failed, by failure code.");
        _resumed = meter.CreateCounter<long>("loire.turn.resumed", description: "Turns that went on here after the silo that ran them was lost or they were moved.");
        _promptTokens = meter.CreateCounter<long>("loire.turn.prompt_tokens", description: "Tokens of prompts, restored ones included.");
        _cachedTokens = meter.CreateCounter<long>("loire.turn.cached_tokens", description: "Tokens of prompts whose state was restored, by source.");
        _generatedTokens = meter.CreateCounter<long>("loire.turn.generated_tokens", description: "Tokens generated.");
        _firstToken = meter.CreateHistogram<double>("loire.turn.first_token", "ms", "From admission to the first token.");
        _perToken = meter.CreateHistogram<double>("loire.turn.per_token", "ms", "Between tokens after the first, averaged over the turn.");
    }

    public void Started(int promptTokens, int cachedTokens, string source)
    {
        _promptTokens.Add(promptTokens);
        _cachedTokens.Add(cachedTokens, new KeyValuePair<string, object?>("source", source));
    }

    public void Finished(string reason, int generatedTokens, double firstTokenMilliseconds, double decodeMilliseconds)
    {
        _finished.Add(1, new KeyValuePair<string, object?>("reason", reason));
        _generatedTokens.Add(generatedTokens);
        _firstToken.Record(firstTokenMilliseconds);
        if (generatedTokens > 1)
        {
            _perToken.Record(decodeMilliseconds / (generatedTokens - 1));
        }
    }

    public void Resumed() => _resumed.Add(1);

    public void Failed(string code) => _failed.Add(1, new KeyValuePair<string, object?>("code", code));
}
