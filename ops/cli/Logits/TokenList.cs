using Loire.Cli.Terminal;

namespace Loire.Cli.Logits;

/// <summary>Lists of whole numbers on the command line: <c>1,2,3</c>.</summary>
internal static class TokenList
{
    /// <exception cref="CommandFailedException">Names the option, the entry and what is allowed.</exception>
    public static int[] Parse(string option, string text, int smallest, int largest)
    {
        var entries = text.Split([',', ' ', '\n', '\r', '\t'], StringSplitOptions.RemoveEmptyEntries);
        if (entries.Length == 0)
        {
            throw new CommandFailedException($"{option} is empty; numbers with commas between them are expected, such as {option} 1,2,3.", exitCode: 2);
        }

        return [.. entries.Select(entry => int.TryParse(entry, out var number) && number >= smallest && number <= largest
            ? number
            : throw new CommandFailedException($"{option} has '{entry}'; whole numbers from {smallest} to {largest} are expected.", exitCode: 2))];
    }
}
