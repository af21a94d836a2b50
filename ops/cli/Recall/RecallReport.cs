using System.Text.Json.Serialization;
using Loire.Cli.Terminal;

namespace Loire.Cli.Recall;

/// <summary>How many questions of each kind were asked, and how many answers were right.</summary>
internal sealed record RecallReport
{
    // What the demo model reaches when nothing of its state is lost.
    private static readonly (string Kind, double Rate)[] Bars = [("recall", 0.95), ("recall2", 0.85)];

    [JsonPropertyName("asked")]
    public required SortedDictionary<string, int> Asked { get; init; }

    [JsonPropertyName("right")]
    public required SortedDictionary<string, int> Right { get; init; }

    /// <summary>The same for each class of length.</summary>
    [JsonPropertyName("byTurns")]
    public required IReadOnlyList<LengthClass> ByTurns { get; init; }

    [JsonPropertyName("conversations")]
    public required int Conversations { get; init; }

    [JsonPropertyName("hibernate")]
    public required bool Hibernate { get; init; }

    [JsonPropertyName("own")]
    public required bool Own { get; init; }

    /// <summary>Digest over all answers in the file's order: equal when every answer is.</summary>
    [JsonPropertyName("digest")]
    public required string AnswersDigest { get; init; }

    /// <summary>Every answer, those to a <c>tell</c> too, in the file's order.</summary>
    [JsonPropertyName("answers")]
    public required IReadOnlyList<IReadOnlyList<string>> Answers { get; init; }

    [JsonPropertyName("seconds")]
    public required double Seconds { get; init; }

    [JsonIgnore]
    public bool BarsHold => Bars.All(bar => !Asked.ContainsKey(bar.Kind) || RateOf(bar.Kind) >= bar.Rate);

    public void Print(TextWriter output)
    {
        var table = new TextTable("kind", "asked", "right", "rate", "bar");
        foreach (var (kind, asked) in Asked)
        {
            var bar = Array.Find(Bars, bar => bar.Kind == kind).Rate;
            table.Add(kind, $"{asked}", $"{Right[kind]}", $"{RateOf(kind):0.000}", bar == 0 ? "" : $"{bar:0.00}");
        }

        output.Write(table);
        output.WriteLine();
        var lengths = new TextTable("turns", "conversations", "recall", "two-hop", "all");
        foreach (var length in ByTurns)
        {
            lengths.Add($"{length.Name}", $"{length.Conversations}", length.Rate("recall"), length.Rate("recall2"), length.RateOfAll);
        }

        output.Write(lengths);
        output.WriteLine();
        output.WriteLine($"{(BarsHold ? "the bars hold" : "the bars do NOT hold")}; {Conversations} conversations in {Seconds:0.0} s; answers {AnswersDigest[..12]}");
    }

    private double RateOf(string kind) => (double)Right[kind] / Asked[kind];

    /// <summary>Conversations of about the same number of turns.</summary>
    internal sealed record LengthClass(
        [property: JsonPropertyName("turns")] string Name,
        [property: JsonPropertyName("conversations")] int Conversations,
        [property: JsonPropertyName("asked")] SortedDictionary<string, int> Asked,
        [property: JsonPropertyName("right")] SortedDictionary<string, int> Right)
    {
        [JsonIgnore]
        public string RateOfAll => $"{(double)Right.Values.Sum() / Asked.Values.Sum():0.000}";

        public string Rate(string kind) => Asked.TryGetValue(kind, out var asked) ? $"{(double)Right[kind] / asked:0.000}" : "";
    }
}
