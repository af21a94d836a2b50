namespace Loire.Gateway;

/// <summary><c>POST /v1/completions</c>.</summary>
internal static class CompletionEndpoint
{
    public static void Map(IEndpointRouteBuilder routes) => routes.MapPost("/v1/completions", AnswerAsync);

    private static async Task AnswerAsync(HttpContext http, GatewayOptions options, AdmissionGate gate, TurnResponder responder)
    {
        using var place = gate.Enter();
        var request = await RequestBody.ReadAsync(http, options.BodyLimitBytes, body => CompletionRequest.Parse(body, Caller.IdempotencyKeyOf(http)));
        await responder.AnswerAsync(http, request.Turn, new CompletionPrompt(request), (turn, created) => new CompletionAnswer(turn, created, request.Turn.IncludeUsage));
    }
}
