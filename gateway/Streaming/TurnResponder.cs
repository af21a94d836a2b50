using Loire.Contracts;

namespace Loire.Gateway;

/// <summary>From a checked request to its answer: opens the turn and writes it, streamed or whole.</summary>
internal sealed class TurnResponder(TurnOpener opener, FailureMiddleware failures, TimeProvider time)
{
    public const string SessionHeader = "x-session-id";

    /// <param name="http">The request to answer.</param>
    /// <param name="fields">What was asked for.</param>
    /// <param name="prompt">What is to be continued.</param>
    /// <param name="shapeOf">How the endpoint writes a turn, given it and the time.</param>
    public async Task AnswerAsync(HttpContext http, TurnFields fields, IPrompt prompt, Func<OpenTurn, long, AnswerShape> shapeOf)
    {
        // Cancelled by the end of the request, whatever ends it, so that no turn outlives its reader.
        await using var turn = await opener.OpenAsync(Caller.OwnerOf(http), fields, prompt, NamedSession(http, fields), http.RequestAborted);
        var shape = shapeOf(turn, time.GetUtcNow().ToUnixTimeSeconds());
        if (turn.Session is not null)
        {
            http.Response.Headers[SessionHeader] = turn.Session;
        }

        if (fields.Stream)
        {
            await StreamAsync(http, fields, turn, shape);
        }
        else
        {
            await JsonAnswer.WriteAsync(http, StatusCodes.Status200OK, (shape, await WholeAnswer.ReadAsync(turn)), static (json, answer) => answer.shape.WriteWhole(json, answer.Item2));
        }
    }

    private async Task StreamAsync(HttpContext http, TurnFields fields, OpenTurn turn, AnswerShape shape)
    {
        using var stream = new EventStream(http, shape, fields.IncludeUsage);
        try
        {
            await stream.SendAsync(turn);
        }
        catch (Exception exception) when (!http.RequestAborted.IsCancellationRequested)
        {
            var failure = HttpFailure.Of(exception);
            failures.Log(http, failure, exception);
            await stream.FailAsync(failure);
        }
    }

    /// <summary>The header names a session whose whole history the request carries; a body that names one says more.</summary>
    private static string? NamedSession(HttpContext http, TurnFields fields)
    {
        var named = http.Request.Headers[SessionHeader].ToString();
        if (named.Length == 0)
        {
            return null;
        }

        TurnFieldsParser.CheckedSessionId(named, SessionHeader);
        return fields.SessionId is null || fields.SessionId == named
            ? named
            : throw new ClusterException(FailureCode.InvalidRequest, $"session_id is '{fields.SessionId}', but the header {SessionHeader} says '{named}': send one of them.", "session_id");
    }
}
