using System.Buffers;
using System.Text.Json;
using System.Text.Unicode;
using Loire.Contracts;
using Microsoft.AspNetCore.Http.Features;

namespace Loire.Gateway;

/// <summary>Reads a bounded JSON body and hands its object to a parser, which copies what it keeps.</summary>
internal static class RequestBody
{
    private const int FirstBuffer = 16 << 10;

    private static readonly JsonDocumentOptions Strict = new() { MaxDepth = 32 };

    /// <summary>The parsed body.</summary>
    /// <exception cref="ClusterException">Not JSON, not an object, or what the parser refuses: the message names the place.</exception>
    /// <exception cref="RefusedException">Too large, or of another media type.</exception>
    public static async Task<T> ReadAsync<T>(HttpContext http, int limitBytes, Func<BodyObject, T> parse, bool optional = false)
    {
        // Kestrel's own limit would drop the connection before the client has read why; what is refused here is
        // drained, for a bounded time, and not kept.
        if (http.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } kestrel)
        {
            kestrel.MaxRequestBodySize = null;
        }

        RefuseLength(http.Request.ContentLength, limitBytes);
        var buffer = ArrayPool<byte>.Shared.Rent(FirstBuffer);
        try
        {
            var length = 0;
            while (await http.Request.Body.ReadAsync(buffer.AsMemory(length), http.RequestAborted) is var read and > 0)
            {
                length += read;
                RefuseLength(length, limitBytes);
                buffer = length == buffer.Length ? Grow(buffer) : buffer;
            }

            if (length > 0 || !optional)
            {
                RefuseMediaType(http.Request);
            }

            return length == 0 && optional ? parse(BodyObject.Empty) : Parse(buffer.AsMemory(0, length), parse);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    private static T Parse<T>(ReadOnlyMemory<byte> utf8, Func<BodyObject, T> parse)
    {
        utf8 = utf8.Span.StartsWith("\uFEFF"u8) ? utf8[3..] : utf8;
        RefuseBrokenText(utf8.Span);
        using var document = ParseJson(utf8);
        return document.RootElement.ValueKind == JsonValueKind.Object
            ? parse(new BodyObject(document.RootElement, ""))
            : throw Invalid($"The body must be a JSON object; it is {BodyObject.Describe(document.RootElement)}.");
    }

    private static JsonDocument ParseJson(ReadOnlyMemory<byte> utf8)
    {
        if (utf8.Span.Trim(" \t\r\n"u8).IsEmpty)
        {
            throw Invalid("The body is empty; a JSON object is expected.");
        }

        try
        {
            return JsonDocument.Parse(utf8, Strict);
        }
        catch (JsonException broken)
        {
            throw Malformed(broken);
        }
    }

    private static void RefuseBrokenText(ReadOnlySpan<byte> utf8)
    {
        if (!Utf8.IsValid(utf8))
        {
            throw Invalid("The body is not valid UTF-8.");
        }

        if (utf8.IndexOf(@"\u"u8) >= 0)
        {
            RefuseLoneSurrogates(utf8);
        }
    }

    /// <summary>JSON can spell half a character, "\ud800", which no tokenizer can read.</summary>
    private static void RefuseLoneSurrogates(ReadOnlySpan<byte> utf8)
    {
        var reader = new Utf8JsonReader(utf8, new JsonReaderOptions { MaxDepth = Strict.MaxDepth });
        try
        {
            while (reader.Read())
            {
                if (reader.TokenType is JsonTokenType.String or JsonTokenType.PropertyName && reader.ValueIsEscaped)
                {
                    _ = reader.GetString();
                }
            }
        }
        catch (InvalidOperationException)
        {
            throw Invalid($"The text at byte {reader.TokenStartIndex + 1} of the body has half a surrogate pair (\\ud800 to \\udfff): send both halves, or the character itself.");
        }
        catch (JsonException broken)
        {
            throw Malformed(broken);
        }
    }

    private static byte[] Grow(byte[] buffer)
    {
        var larger = ArrayPool<byte>.Shared.Rent(checked(buffer.Length * 2));
        buffer.CopyTo(larger, 0);
        ArrayPool<byte>.Shared.Return(buffer);
        return larger;
    }

    private static void RefuseLength(long? length, int limitBytes)
    {
        if (length > limitBytes)
        {
            throw new RefusedException(413, "request_too_large", $"The body is larger than the {limitBytes:N0} bytes that this gateway takes. Send less history, or keep it in a session (session_id).");
        }
    }

    private static void RefuseMediaType(HttpRequest request)
    {
        if (!request.HasJsonContentType())
        {
            throw new RefusedException(415, "unsupported_media_type", $"The header content-type must be application/json; it is '{request.ContentType}'.", "content-type");
        }
    }

    private static ClusterException Malformed(JsonException broken)
    {
        var reason = broken.Message.Split(" LineNumber:", 2)[0].TrimEnd();
        return Invalid($"The body is not valid JSON at line {broken.LineNumber + 1}, byte {broken.BytePositionInLine + 1}: {reason}");
    }

    private static ClusterException Invalid(string message) => new(FailureCode.InvalidRequest, message);
}
