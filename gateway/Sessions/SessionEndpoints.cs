using System.Globalization;
using Loire.Contracts;
using Orleans;

namespace Loire.Gateway;

/// <summary><c>/v1/sessions</c>: list, show, delete, fork, rewind, move, hibernate.</summary>
internal sealed class SessionEndpoints(IGrainFactory grains, GatewayOptions options)
{
    private const int DefaultLimit = 50, MaxLimit = 200, MaxCursorLength = 1024;

    public static void Map(IEndpointRouteBuilder routes)
    {
        routes.MapGet("/v1/sessions", static (HttpContext http, SessionEndpoints sessions) => sessions.ListAsync(http));
        routes.MapGet("/v1/sessions/{id}", static (HttpContext http, string id, SessionEndpoints sessions) => sessions.GetAsync(http, id));
        routes.MapDelete("/v1/sessions/{id}", static (HttpContext http, string id, SessionEndpoints sessions) => sessions.DeleteAsync(http, id));
        routes.MapPost("/v1/sessions/{id}/fork", static (HttpContext http, string id, SessionEndpoints sessions) => sessions.ForkAsync(http, id));
        routes.MapPost("/v1/sessions/{id}/rewind", static (HttpContext http, string id, SessionEndpoints sessions) => sessions.RewindAsync(http, id));
        routes.MapPost("/v1/sessions/{id}/move", static (HttpContext http, string id, SessionEndpoints sessions) => sessions.MoveAsync(http, id));
        routes.MapPost("/v1/sessions/{id}/hibernate", static (HttpContext http, string id, SessionEndpoints sessions) => sessions.HibernateAsync(http, id));
    }

    private async Task ListAsync(HttpContext http)
    {
        var after = http.Request.Query["after"].ToString();
        if (after.Length > MaxCursorLength)
        {
            throw new ClusterException(FailureCode.InvalidRequest, $"after is {after.Length:N0} characters long: pass the last answer's next.", "after");
        }

        var page = await grains.GetGrain<IClusterGrain>(IClusterGrain.Key).ListSessionsAsync(Caller.OwnerOf(http), after.Length == 0 ? null : after, Limit(http));
        await JsonAnswer.WriteAsync(http, 200, page, SessionJson.WritePage);
    }

    private async Task GetAsync(HttpContext http, string id)
    {
        var session = await Grain(http, id).GetAsync() ?? throw ClusterException.SessionNotFound(id);
        await JsonAnswer.WriteAsync(http, 200, session, SessionJson.WriteWhole);
    }

    private async Task DeleteAsync(HttpContext http, string id)
    {
        if (!await Grain(http, id).DeleteAsync())
        {
            throw ClusterException.SessionNotFound(id);
        }

        await JsonAnswer.WriteAsync(http, 200, id, static (json, id) =>
        {
            json.WriteStartObject();
            json.WriteString("id", id);
            json.WriteString("object", "session.deleted");
            json.WriteBoolean("deleted", true);
            json.WriteEndObject();
        });
    }

    private async Task ForkAsync(HttpContext http, string id)
    {
        var grain = Grain(http, id);
        var request = await RequestBody.ReadAsync(http, options.BodyLimitBytes, SessionRequests.Fork, optional: true);
        var fork = await ForkAsync(grain, request);
        http.Response.Headers.Location = $"/v1/sessions/{fork.Id}";
        await JsonAnswer.WriteAsync(http, 201, fork, SessionJson.WriteWhole);
    }

    /// <summary>The grain's field for the new session's name is this API's <c>id</c>.</summary>
    private static async Task<SessionView> ForkAsync(ISessionGrain grain, ForkRequest request)
    {
        try
        {
            return await grain.ForkAsync(request);
        }
        catch (ClusterException taken) when (taken.Code is FailureCode.AlreadyExists or FailureCode.InvalidRequest)
        {
            throw new ClusterException(taken.Code, taken.Message, taken.Field == "at" ? "at" : "id", inner: taken);
        }
    }

    private async Task RewindAsync(HttpContext http, string id)
    {
        var grain = Grain(http, id);
        var request = await RequestBody.ReadAsync(http, options.BodyLimitBytes, SessionRequests.Rewind);
        await JsonAnswer.WriteAsync(http, 200, await grain.RewindAsync(request), SessionJson.WriteWhole);
    }

    private async Task MoveAsync(HttpContext http, string id)
    {
        var grain = Grain(http, id);
        var silo = await RequestBody.ReadAsync(http, options.BodyLimitBytes, static body => body.Text("silo"), optional: true);
        if (await grain.GetAsync() is null)
        {
            throw ClusterException.SessionNotFound(id);
        }

        await JsonAnswer.WriteAsync(http, 200, (id, move: await grain.MoveAsync(silo)), static (json, result) =>
        {
            json.WriteStartObject();
            json.WriteString("id", result.id);
            json.WriteString("object", "session.moved");
            json.WriteString("from", result.move.From);
            json.WriteString("to", result.move.To);
            json.WriteBoolean("was_running", result.move.WasRunning);
            json.WriteString("via", result.move.Via == StateRoute.Link ? "link" : "store");
            json.WriteNumber("bytes", result.move.Bytes);
            json.WriteNumber("wire_bytes", result.move.WireBytes);
            json.WriteNumber("shared_bytes", result.move.SharedBytes);
            json.WriteNumber("pause_ms", Math.Round(result.move.PauseMilliseconds, 3));
            json.WriteString("reason", result.move.Reason);
            json.WriteEndObject();
        });
    }

    private async Task HibernateAsync(HttpContext http, string id)
    {
        var grain = Grain(http, id);
        if (await grain.GetAsync() is null)
        {
            throw ClusterException.SessionNotFound(id);
        }

        await JsonAnswer.WriteAsync(http, 200, (id, released: await grain.HibernateAsync()), static (json, result) =>
        {
            json.WriteStartObject();
            json.WriteString("id", result.id);
            json.WriteString("object", "session.hibernated");
            json.WriteBoolean("released", result.released);
            json.WriteEndObject();
        });
    }

    private ISessionGrain Grain(HttpContext http, string id) => grains.GetGrain<ISessionGrain>(Caller.SessionOf(http, id).ToString());

    private static int Limit(HttpContext http)
    {
        var text = http.Request.Query["limit"].ToString();
        return text.Length == 0 ? DefaultLimit
            : int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var limit) && limit is > 0 and <= MaxLimit ? limit
            : throw new ClusterException(FailureCode.InvalidRequest, $"limit must be a whole number from 1 to {MaxLimit}; it is '{BodyObject.Shorten(text)}'.", "limit");
    }
}
