using System.Text.Json;
using System.Text.Json.Serialization;

namespace Loire.Gpu.Tests.Running;

/// <summary>What a child process says of one test, as a line of its output.</summary>
/// <param name="Outcome">Of the test.</param>
/// <param name="Test">Its display name.</param>
/// <param name="Seconds">That it took.</param>
/// <param name="Text">Why it failed or was skipped.</param>
internal sealed record TestLine(TestOutcome Outcome, string Test, double Seconds, string Text)
{
    private const string Mark = "\u0001loire-test ";

    public void Write(TextWriter output)
    {
        output.WriteLine(Mark + JsonSerializer.Serialize(this, TestLineJson.Default.TestLine));
        output.Flush();
    }

    /// <summary>Null: the line is something else that the process printed.</summary>
    public static TestLine? Read(string line) =>
        line.StartsWith(Mark, StringComparison.Ordinal) ? JsonSerializer.Deserialize(line.AsSpan(Mark.Length), TestLineJson.Default.TestLine) : null;
}

internal enum TestOutcome
{
    Started,
    Passed,
    Failed,
    Skipped,
}

[JsonSerializable(typeof(TestLine))]
internal sealed partial class TestLineJson : JsonSerializerContext;
