using System.Text.Json;
using Loire.Contracts;

namespace Loire.Gateway;

/// <summary>What this server tells beyond OpenAI's members: the <c>loire</c> object of an answer.</summary>
internal static class LoireMember
{
    public static void Write(Utf8JsonWriter json, OpenTurn turn, TurnFinish finish)
    {
        json.WriteStartObject("loire");
        json.WriteString("session", turn.Session);
        json.WriteString("turn", turn.TurnId);
        json.WriteString("head", finish.Head);
        json.WriteNumber("seed", turn.Seed);
        json.WriteNumber("cached_tokens", finish.CachedTokens);
        json.WriteString("cached_source", SourceOf(turn.Start));
        json.WriteNumber("state_bytes", finish.StateBytes);
        json.WriteNumber("first_token_ms", Rounded(finish.FirstTokenMilliseconds));
        json.WriteNumber("decode_ms", Rounded(finish.DecodeMilliseconds));
        json.WriteNumber("tokens_per_second", Rounded(TokensPerSecond(finish)));
        json.WriteString("warning", turn.Start.Warning);
        json.WriteEndObject();
    }

    /// <summary>Of the tokens after the first, whose wait is <c>first_token_ms</c>. 0 when there are none.</summary>
    private static double TokensPerSecond(TurnFinish finish) =>
        finish is { GeneratedTokens: > 1, DecodeMilliseconds: > 0 } ? (finish.GeneratedTokens - 1) * 1000 / finish.DecodeMilliseconds : 0;

    private static string SourceOf(TurnStart start) => start.Source switch
    {
        StateSource.Device => "device",
        StateSource.Store => "store",
        _ => "prefill",
    };

    private static double Rounded(double value) => double.IsFinite(value) ? Math.Round(value, 2) : 0;
}
