using Loire.Contracts;
using Loire.Store;

namespace Loire.Silo.Models;

/// <summary>The models that this silo can run, the default one first.</summary>
public sealed class ModelCatalog
{
    public ModelCatalog(IReadOnlyList<ServedModel> models)
    {
        if (models.GroupBy(model => model.Id).FirstOrDefault(group => group.Count() > 1) is { } twice)
        {
            throw new ArgumentException(
                $"ModelFolders: {string.Join(" and ", twice.Select(model => $"'{model.Folder}'"))} are both called '{twice.Key}'. Rename one folder.");
        }

        Models = models;
    }

    public IReadOnlyList<ServedModel> Models { get; }

    public ServedModel Default => Models[0];

    public static ModelCatalog Open(IReadOnlyList<string> folders) => new([.. folders.Select(ServedModel.Open)]);

    /// <exception cref="ClusterException">No such model.</exception>
    public ServedModel Require(string id) =>
        Models.FirstOrDefault(model => model.Id == id)
        ?? throw new ClusterException(
            FailureCode.NotFound, $"There is no model '{id}'. Served: {string.Join(", ", Models.Select(model => $"'{model.Id}'"))}.", "model");

    /// <summary>What clients call the model of this digest; the digest's beginning when it is not served here.</summary>
    public string NameOf(Digest digest) => Models.FirstOrDefault(model => model.Digest == digest)?.Id ?? $"sha256:{digest.ToString()[..12]}";
}
