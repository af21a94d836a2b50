namespace Loire.Gateway;

/// <summary><c>POST /v1/chat/completions</c>.</summary>
internal static class ChatEndpoint
{
    public static void Map(IEndpointRouteBuilder routes) => routes.MapPost("/v1/chat/completions", AnswerAsync);

    private static async Task AnswerAsync(HttpContext http, GatewayOptions options, AdmissionGate gate, TurnResponder responder)
    {
        using var place = gate.Enter();
        var request = await RequestBody.ReadAsync(http, options.BodyLimitBytes, body => ChatRequest.Parse(body, Caller.IdempotencyKeyOf(http), options.MaxMessages));
        var prompt = new ChatPrompt(request.Messages, request.Tools);
        await responder.AnswerAsync(http, request.Turn, prompt, (turn, created) => new ChatAnswer(turn, created, request.Turn.IncludeUsage));
    }
}
