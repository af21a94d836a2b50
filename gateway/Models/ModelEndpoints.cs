using System.Text.Json;
using Loire.Contracts;

namespace Loire.Gateway;

/// <summary><c>GET /v1/models</c> and <c>GET /v1/models/{id}</c>.</summary>
internal static class ModelEndpoints
{
    public static void Map(IEndpointRouteBuilder routes)
    {
        routes.MapGet("/v1/models", static async (HttpContext http, ModelCatalog catalog) =>
            await JsonAnswer.WriteAsync(http, 200, await catalog.ListAsync(), WriteList));

        routes.MapGet("/v1/models/{**id}", static async (HttpContext http, string id, ModelCatalog catalog) =>
            await JsonAnswer.WriteAsync(http, 200, (await catalog.GetAsync(id)).View, Write));
    }

    private static void WriteList(Utf8JsonWriter json, IReadOnlyList<ModelView> models)
    {
        json.WriteStartObject();
        json.WriteString("object", "list");
        json.WriteStartArray("data");
        foreach (var model in models)
        {
            Write(json, model);
        }

        json.WriteEndArray();
        json.WriteEndObject();
    }

    private static void Write(Utf8JsonWriter json, ModelView model)
    {
        json.WriteStartObject();
        json.WriteString("id", model.Id);
        json.WriteString("object", "model");
        json.WriteNumber("created", model.LoadedAt.ToUnixTimeSeconds());
        json.WriteString("owned_by", "loire");
        json.WriteString("family", model.Family);
        json.WriteString("digest", model.Digest);
        json.WriteNumber("context_tokens", model.ContextTokens);
        json.WriteNumber("vocabulary_size", model.VocabularySize);
        json.WriteEndObject();
    }
}
