using System.Reflection;

namespace Loire.Gateway;

/// <summary>The chat page: the files of <c>Page/Files</c>, which are part of the assembly. They need no key; what they call does.</summary>
internal static class PageEndpoints
{
    private const string Prefix = "page/";

    /// <summary>Nothing inline, nothing from elsewhere, and nobody may frame it.</summary>
    private const string ContentSecurityPolicy =
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

    public static void Map(IEndpointRouteBuilder routes)
    {
        var assembly = typeof(PageEndpoints).Assembly;
        foreach (var resource in assembly.GetManifestResourceNames().Where(static name => name.StartsWith(Prefix, StringComparison.Ordinal)))
        {
            var name = resource[Prefix.Length..];
            var content = Read(assembly, resource);
            routes.MapGet(name == "index.html" ? "/" : $"/page/{name}", http => AnswerAsync(http, TypeOf(name), content));
        }
    }

    private static Task AnswerAsync(HttpContext http, string contentType, byte[] content)
    {
        var headers = http.Response.Headers;
        headers.ContentSecurityPolicy = ContentSecurityPolicy;
        headers.XContentTypeOptions = "nosniff";
        headers["referrer-policy"] = "no-referrer";
        headers.CacheControl = "no-cache";
        http.Response.ContentType = contentType;
        http.Response.ContentLength = content.Length;
        return http.Response.Body.WriteAsync(content, http.RequestAborted).AsTask();
    }

    private static string TypeOf(string name) => Path.GetExtension(name) switch
    {
        ".html" => "text/html; charset=utf-8",
        ".css" => "text/css; charset=utf-8",
        ".js" => "text/javascript; charset=utf-8",
        ".svg" => "image/svg+xml",
        _ => throw new InvalidOperationException($"The page's file {name} has an extension without a media type."),
    };

    private static byte[] Read(Assembly assembly, string resource)
    {
        using var stream = assembly.GetManifestResourceStream(resource)
            ?? throw new InvalidOperationException($"{resource} is listed in the assembly but cannot be read.");
        var content = new byte[stream.Length];
        stream.ReadExactly(content);
        return content;
    }
}
