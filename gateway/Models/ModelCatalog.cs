using System.Collections.Concurrent;
using Loire.Contracts;
using Loire.Text;
using Orleans;

namespace Loire.Gateway;

/// <summary>The models of the cluster, asked for at most every <see cref="GatewayOptions.ModelListAge"/>, and their tokenizers, loaded once a digest.</summary>
internal sealed partial class ModelCatalog(IGrainFactory grains, GatewayOptions options, Failover failover, TimeProvider time, ILogger<ModelCatalog> logger)
{
    private readonly ConcurrentDictionary<string, Lazy<Task<ServedModel>>> _loaded = new(StringComparer.Ordinal);
    private Listing? _listing;

    /// <summary>All models, the default one first.</summary>
    public async Task<IReadOnlyList<ModelView>> ListAsync()
    {
        var listing = _listing;
        return listing is not null && time.GetElapsedTime(listing.At) < options.ModelListAge ? listing.Models : await RefreshAsync();
    }

    /// <summary>The model by that name, or the default one.</summary>
    /// <exception cref="ClusterException">There is none.</exception>
    public async Task<ServedModel> GetAsync(string? id)
    {
        var view = Find(await ListAsync(), id) ?? Find(await RefreshAsync(), id) ?? throw Unknown(id);
        var loading = _loaded.GetOrAdd(view.Digest, (_, view) => new Lazy<Task<ServedModel>>(() => LoadAsync(view)), view);
        try
        {
            return await loading.Value;
        }
        catch
        {
            // What failed to load may load next time, once the folder is mended.
            _loaded.TryRemove(KeyValuePair.Create(view.Digest, loading));
            throw;
        }
    }

    private static ModelView? Find(IReadOnlyList<ModelView> models, string? id) =>
        id is null ? (models.Count > 0 ? models[0] : null) : models.FirstOrDefault(model => model.Id == id);

    /// <summary>Concurrent callers may all ask; the last answer stands.</summary>
    private async Task<IReadOnlyList<ModelView>> RefreshAsync()
    {
        var models = await failover.ReadAsync(() => grains.GetGrain<IClusterGrain>(IClusterGrain.Key).GetModelsAsync(), CancellationToken.None);
        _listing = new Listing(models, time.GetTimestamp());
        foreach (var digest in _loaded.Keys.Where(digest => models.All(model => model.Digest != digest)))
        {
            _loaded.TryRemove(digest, out _);
        }

        return models;
    }

    private Task<ServedModel> LoadAsync(ModelView view) => Task.Run(async () =>
    {
        var tokenizer = Tokenizer.Load(Path.Combine(view.Folder, "tokenizer.json"));
        var defaults = await GenerationDefaults.LoadAsync(view.Folder, CancellationToken.None);
        try
        {
            return new ServedModel(view, tokenizer, ChatFormat.Load(view.Folder), null, defaults);
        }
        catch (Exception fault) when (fault is TemplateException or TokenizerFormatException)
        {
            LogNoChat(view.Id, fault.Message);
            return new ServedModel(view, tokenizer, null, fault.Message, defaults);
        }
    });

    private ClusterException Unknown(string? id) => id is null
        ? new ClusterException(FailureCode.NoCapacity, "The cluster serves no model yet; see /health/ready.", retryAfter: TimeSpan.FromSeconds(1))
        : new ClusterException(FailureCode.NotFound, $"There is no model '{BodyObject.Shorten(id)}'. Served: {string.Join(", ", _listing!.Models.Select(model => model.Id))}.", "model");

    [LoggerMessage(LogLevel.Warning, "Model {Model} completes but cannot chat: {Fault}")]
    private partial void LogNoChat(string model, string fault);

    private sealed record Listing(IReadOnlyList<ModelView> Models, long At);
}
