namespace Loire.Cli.Terminal;

/// <summary>A command cannot go on, for a reason outside of this program: one line that says what was found and what to do.</summary>
internal sealed class CommandFailedException(string message, int exitCode = 1, Exception? inner = null) : Exception(message, inner)
{
    /// <summary>1: what was asked failed. 2: it was asked wrongly.</summary>
    public int ExitCode { get; } = exitCode;

    /// <summary>A folder or file that the caller named is not there.</summary>
    public static CommandFailedException Missing(string what, string path, string remedy) =>
        new($"{what} '{path}' does not exist. {remedy}", exitCode: 2);
}
