using System.Globalization;

namespace Orleans;

/// <summary>How long a caller of this method waits for its answer, in place of the silo's default of 30 s.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class ResponseTimeoutAttribute(string timeout) : Attribute
{
    /// <summary>The time to wait, written as <c>hh:mm:ss</c>.</summary>
    public TimeSpan? Timeout { get; init; } = TimeSpan.Parse(timeout, CultureInfo.InvariantCulture);
}
