using System.Diagnostics;
using System.Security.Cryptography;
using System.Text;
using Loire.Cli.Http;

namespace Loire.Cli.Recall;

/// <summary>Holds all conversations, several at once, and counts.</summary>
internal sealed class RecallRun(ServerClient client, RecallSettings settings)
{
    // Up to these many turns, and all longer ones.
    private static readonly int[] LengthLimits = [15, 60, 180, int.MaxValue];

    /// <param name="conversations">The file's.</param>
    /// <param name="progress">0 to 1.</param>
    /// <param name="cancellationToken">Ends the run.</param>
    public async Task<RecallReport> RunAsync(IReadOnlyList<RecallConversation> conversations, IProgress<double> progress, CancellationToken cancellationToken)
    {
        var watch = Stopwatch.StartNew();
        var run = Guid.NewGuid().ToString("N")[..8]; // a server that has run this before has other sessions
        var turns = conversations.Sum(conversation => conversation.Messages.Count);
        var done = 0;
        var answers = new IReadOnlyList<RecallAnswer>[conversations.Count];

        // The longest first, so that none of them is left alone at the end.
        var order = Enumerable.Range(0, conversations.Count).OrderByDescending(index => conversations[index].Messages.Count);
        await Parallel.ForEachAsync(
            order,
            new ParallelOptions { MaxDegreeOfParallelism = settings.Parallel, CancellationToken = cancellationToken },
            async (index, cancel) =>
            {
                var session = new RecallSession(client, $"recall-{run}-{index}", settings);
                answers[index] = await session.HoldAsync(conversations[index], () => progress.Report((double)Interlocked.Increment(ref done) / turns), cancel);
            });

        var (asked, right) = Count(answers);
        return new RecallReport
        {
            Asked = asked,
            Right = right,
            ByTurns = [.. ByLength(answers)],
            Conversations = conversations.Count,
            Hibernate = settings.Hibernate,
            Own = settings.Own,
            AnswersDigest = DigestOf(answers),
            Answers = [.. answers.Select(conversation => conversation.Select(answer => answer.Answer).ToArray())],
            Seconds = Math.Round(watch.Elapsed.TotalSeconds, 1),
        };
    }

    private static (SortedDictionary<string, int> Asked, SortedDictionary<string, int> Right) Count(IEnumerable<IReadOnlyList<RecallAnswer>> conversations)
    {
        SortedDictionary<string, int> asked = new(StringComparer.Ordinal), right = new(StringComparer.Ordinal);
        foreach (var answer in conversations.SelectMany(answers => answers).Where(answer => answer.Turn.IsScored))
        {
            asked[answer.Turn.Kind] = asked.GetValueOrDefault(answer.Turn.Kind) + 1;
            right[answer.Turn.Kind] = right.GetValueOrDefault(answer.Turn.Kind) + (answer.IsRight ? 1 : 0);
        }

        return (asked, right);
    }

    private static IEnumerable<RecallReport.LengthClass> ByLength(IReadOnlyList<IReadOnlyList<RecallAnswer>> conversations)
    {
        foreach (var group in conversations.GroupBy(answers => Array.FindIndex(LengthLimits, limit => answers.Count <= limit)).OrderBy(group => group.Key))
        {
            var (shortest, longest) = (group.Min(answers => answers.Count), group.Max(answers => answers.Count));
            var (asked, right) = Count(group);
            yield return new RecallReport.LengthClass(shortest == longest ? $"{shortest}" : $"{shortest}-{longest}", group.Count(), asked, right);
        }
    }

    private static string DigestOf(IEnumerable<IReadOnlyList<RecallAnswer>> conversations)
    {
        var text = string.Join('\n', conversations.SelectMany(answers => answers).Select(answer => answer.Answer));
        return Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text)));
    }
}
