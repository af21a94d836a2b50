using Loire.Contracts;

namespace Loire.Gateway;

/// <summary>The bodies of fork and rewind.</summary>
internal static class SessionRequests
{
    private const int MaxRecordIdLength = 256;

    public static ForkRequest Fork(BodyObject body) => new(
        body.Text("id") is { } id ? TurnFieldsParser.CheckedSessionId(id, "id") : $"fork-{TurnOpener.RandomId()}",
        RecordId(body, "at"));

    public static RewindRequest Rewind(BodyObject body)
    {
        var turns = body.Integer("turns", 1, int.MaxValue);
        var to = RecordId(body, "to");
        return (turns, to) switch
        {
            (null, null) => throw body.Missing("turns", "either turns, a number, or to, the id of a turn record"),
            (not null, not null) => throw body.Invalid("turns", "and to are both set; send one of them"),
            _ => new RewindRequest(turns, to),
        };
    }

    private static string? RecordId(BodyObject body, string field) => body.Text(field) is not { } id ? null
        : id.Length is > 0 and <= MaxRecordIdLength ? id
        : throw body.Invalid(field, $"must be the id of a turn record, 1 to {MaxRecordIdLength} characters; it has {id.Length:N0}");
}
