using System.Text.Json;

namespace Loire.Engine.Weights;

/// <summary>The tensors of one or more mapped files.</summary>
internal sealed class MappedWeights : IWeightSource
{
    private readonly Dictionary<string, SafetensorsFile> _fileOf;
    private readonly string _origin;

    /// <param name="origin">The single file or the index, for messages.</param>
    /// <param name="files">Owned from here on.</param>
    /// <param name="fileOf">The file of each tensor.</param>
    private MappedWeights(string origin, IReadOnlyList<SafetensorsFile> files, Dictionary<string, SafetensorsFile> fileOf)
    {
        _origin = origin;
        _fileOf = fileOf;
        Files = files;
    }

    /// <summary>By name, ascending.</summary>
    public IReadOnlyList<SafetensorsFile> Files { get; }

    public static MappedWeights OfFile(SafetensorsFile file) =>
        new(file.Path, [file], file.Tensors.Keys.ToDictionary(name => name, _ => file, StringComparer.Ordinal));

    public static MappedWeights OfIndex(string folder, string indexPath)
    {
        var shardOf = ReadIndex(indexPath);
        var shards = new SortedDictionary<string, SafetensorsFile>(StringComparer.Ordinal);
        try
        {
            foreach (var shard in shardOf.Values.Distinct(StringComparer.Ordinal))
            {
                shards.Add(shard, OpenShard(folder, indexPath, shard));
            }

            var fileOf = shardOf.ToDictionary(pair => pair.Key, pair => Listed(indexPath, pair.Key, shards[pair.Value]), StringComparer.Ordinal);
            return new MappedWeights(indexPath, [.. shards.Values], fileOf);
        }
        catch
        {
            foreach (var file in shards.Values)
            {
                file.Dispose();
            }

            throw;
        }
    }

    public bool Contains(string name) => _fileOf.ContainsKey(name);

    /// <summary>The file that holds a tensor.</summary>
    public string PathOf(string name) => _fileOf[name].Path;

    public TensorView Get(string name, params ReadOnlySpan<int> shape)
    {
        if (!_fileOf.TryGetValue(name, out var file))
        {
            var expected = shape.IsEmpty ? "" : $" Expected one of shape {ShapeText(shape)}.";
            throw new ModelFormatException(_origin, $"has no tensor '{name}'.{expected}");
        }

        var view = file.Get(name);
        if (!shape.IsEmpty && !SameShape(view.Shape.AsSpan(), shape))
        {
            throw new ModelFormatException(
                file.Path, $"tensor '{name}' has shape {file.Tensors[name].ShapeText}; config.json asks for {ShapeText(shape)}.");
        }

        return view;
    }

    public void Dispose()
    {
        foreach (var file in Files)
        {
            file.Dispose();
        }
    }

    private static Dictionary<string, string> ReadIndex(string indexPath)
    {
        using var document = JsonBytes.ParseFile(indexPath);
        if (!document.RootElement.TryGetProperty("weight_map", out var map) || map.ValueKind is not JsonValueKind.Object)
        {
            throw new ModelFormatException(indexPath, "weight_map must be an object that gives each tensor's file.");
        }

        var shardOf = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var property in map.EnumerateObject())
        {
            try
            {
                shardOf.Add(property.Name, ShardName(indexPath, property.Name, property.Value));
            }
            catch (InvalidOperationException e)
            {
                throw new ModelFormatException(indexPath, "weight_map has a name that is not text (half a surrogate pair).", e);
            }
        }

        return shardOf;
    }

    /// <summary>A plain file name: an index cannot reach out of its folder.</summary>
    private static string ShardName(string indexPath, string tensor, JsonElement value)
    {
        if (JsonBytes.TryText(value, out var shard) && shard is not ("" or "." or "..") && shard.AsSpan().IndexOfAny("/\\\0:") < 0)
        {
            return shard;
        }

        throw new ModelFormatException(
            indexPath, $"weight_map['{tensor}'] must name a file of the same folder; found {JsonBytes.Show(value)}.");
    }

    private static SafetensorsFile OpenShard(string folder, string indexPath, string shard)
    {
        var path = Path.Combine(folder, shard);
        return File.Exists(path)
            ? SafetensorsFile.Open(path)
            : throw new ModelFormatException(indexPath, $"lists '{shard}', which is not in the folder. Is the download complete?");
    }

    private static SafetensorsFile Listed(string indexPath, string tensor, SafetensorsFile file) =>
        file.Tensors.ContainsKey(tensor)
            ? file
            : throw new ModelFormatException(indexPath, $"lists tensor '{tensor}' in '{Path.GetFileName(file.Path)}', which does not have it.");

    private static bool SameShape(ReadOnlySpan<long> found, ReadOnlySpan<int> expected)
    {
        if (found.Length != expected.Length)
        {
            return false;
        }

        for (var i = 0; i < found.Length; i++)
        {
            if (found[i] != expected[i])
            {
                return false;
            }
        }

        return true;
    }

    private static string ShapeText(ReadOnlySpan<int> shape) => $"[{string.Join(", ", shape.ToArray())}]";
}
