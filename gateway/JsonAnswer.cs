using System.Text.Encodings.Web;
using System.Text.Json;

namespace Loire.Gateway;

/// <summary>Writes whole JSON answers straight into the response, without an object model in between.</summary>
internal static class JsonAnswer
{
    /// <summary>Escapes what JSON must and leaves other scripts readable: nothing here is ever embedded in HTML.</summary>
    public static readonly JsonWriterOptions WriterOptions = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping, SkipValidation = true };

    public static async Task WriteAsync<T>(HttpContext http, int status, T value, Action<Utf8JsonWriter, T> write)
    {
        http.Response.StatusCode = status;
        http.Response.ContentType = "application/json; charset=utf-8";
        await using (var json = new Utf8JsonWriter(http.Response.BodyWriter, WriterOptions))
        {
            write(json, value);
        }

        await http.Response.BodyWriter.FlushAsync(http.RequestAborted);
    }
}
