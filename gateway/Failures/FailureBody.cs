using System.Text.Json;

namespace Loire.Gateway;

/// <summary>Writes failures in OpenAI's shape: <c>{"error": {"message", "type", "param", "code"}}</c>.</summary>
internal static class FailureBody
{
    public static void Write(Utf8JsonWriter json, in HttpFailure failure)
    {
        json.WriteStartObject();
        json.WriteStartObject("error");
        json.WriteString("message", failure.Message);
        json.WriteString("type", failure.Type);
        json.WriteString("param", failure.Field);
        json.WriteString("code", failure.Code);
        json.WriteEndObject();
        json.WriteEndObject();
    }

    /// <summary>Answers with a failure. Only before the response has begun.</summary>
    public static Task WriteAsync(HttpContext http, HttpFailure failure)
    {
        http.Response.Clear();
        if (failure.RetryAfter is { } wait)
        {
            http.Response.Headers.RetryAfter = Math.Max(1, (int)Math.Ceiling(wait.TotalSeconds)).ToString();
        }

        if (failure.Status == StatusCodes.Status401Unauthorized)
        {
            http.Response.Headers.WWWAuthenticate = "Bearer";
        }

        return JsonAnswer.WriteAsync(http, failure.Status, failure, static (json, failure) => Write(json, failure));
    }
}
