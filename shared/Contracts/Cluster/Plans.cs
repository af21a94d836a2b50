using System.Collections.Immutable;
using System.Globalization;
using Orleans;

namespace Loire.Contracts;

/// <summary><c>model/home</c>: the key of a replica's grains; stages and shards add <c>/number</c>.</summary>
/// <param name="Model">What clients call it.</param>
/// <param name="Home">Name of the silo that runs its step loop.</param>
public readonly record struct ReplicaKey(string Model, string Home)
{
    /// <summary>Key of a part's grain; the grain is on the silo that the key ends with, or at home.</summary>
    /// <param name="number">Of the stage or shard.</param>
    /// <param name="silo">Where the part is. Null: at home.</param>
    public string Part(int number, string? silo = null) => silo is null || silo == Home ? $"{this}/{number}" : $"{this}/{number}@{silo}";

    /// <summary>Name of the silo that a key of a replica's grain, or of one of its parts' grains, belongs to.</summary>
    public static string SiloOf(string key) => key.LastIndexOf('@') is >= 0 and var at ? key[(at + 1)..] : Parse(key).Home;

    /// <summary>Number of the stage or shard that a part's key belongs to.</summary>
    public static int NumberOf(string partKey) =>
        int.TryParse(partKey[(partKey.LastIndexOf('/') + 1)..].Split('@')[0], NumberStyles.None, CultureInfo.InvariantCulture, out var part)
            ? part
            : throw new FormatException($"'{partKey}' is no key of a part: model/home/number is expected.");

    public static ReplicaKey Parse(string key)
    {
        var parts = key.Split('/');
        return parts is [{ Length: > 0 } model, { Length: > 0 } home, ..]
            ? new ReplicaKey(model, home)
            : throw new FormatException($"'{key}' is no replica key: model/home is expected.");
    }

    public override string ToString() => $"{Model}/{Home}";
}

/// <summary>Where the parts of a replica go.</summary>
[GenerateSerializer, Immutable, Alias("loire.replica-plan.v1")]
public sealed record ReplicaPlan
{
    [Id(0)] public required string Model { get; init; }
    [Id(1)] public required string ModelFolder { get; init; }

    /// <summary>Digest of the model; every part checks that it loads the same one.</summary>
    [Id(2)] public required string ModelDigest { get; init; }

    [Id(3)] public required ImmutableArray<StagePlan> Stages { get; init; }
    [Id(4)] public required ImmutableArray<ShardPlan> Shards { get; init; }
}

/// <summary>Layers [FirstLayer, EndLayer) on a device of a silo.</summary>
[GenerateSerializer, Immutable, Alias("loire.stage-plan.v1")]
public sealed record StagePlan(
    [property: Id(0)] string Model,
    [property: Id(1)] string ModelFolder,
    [property: Id(2)] int Stage,
    [property: Id(3)] int FirstLayer,
    [property: Id(4)] int EndLayer,
    [property: Id(5)] string Device)
{
    /// <summary>Name of the silo. Null: the replica's home.</summary>
    [Id(6)] public string? Silo { get; init; }

    /// <summary>Digest of the model; a silo that has other files refuses.</summary>
    [Id(7)] public string? ModelDigest { get; init; }
}

/// <summary>Experts [FirstExpert, EndExpert) of every layer, or of a stage's layers, on a device of a silo.</summary>
[GenerateSerializer, Immutable, Alias("loire.shard-plan.v1")]
public sealed record ShardPlan(
    [property: Id(0)] string Model,
    [property: Id(1)] string ModelFolder,
    [property: Id(2)] int Shard,
    [property: Id(3)] int FirstExpert,
    [property: Id(4)] int EndExpert,
    [property: Id(5)] string Device)
{
    /// <summary>Name of the silo. Null: the replica's home.</summary>
    [Id(6)] public string? Silo { get; init; }

    /// <summary>Digest of the model; a silo that has other files refuses.</summary>
    [Id(7)] public string? ModelDigest { get; init; }

    /// <summary>First layer whose experts these are. Null: of every layer.</summary>
    [Id(8)] public int? FirstLayer { get; init; }

    /// <summary>One past the last layer. Null: of every layer.</summary>
    [Id(9)] public int? EndLayer { get; init; }
}

/// <summary>Where a tensor link ends: a silo, and a name that only this silo can resolve.</summary>
[GenerateSerializer, Immutable, Alias("loire.tensor-endpoint.v1")]
public sealed record TensorEndpoint([property: Id(0)] string Silo, [property: Id(1)] string Name)
{
    /// <summary>Where other silos connect to, as <c>host:port</c>. Null: only its own process reaches it.</summary>
    [Id(2)] public string? Address { get; init; }
}

/// <summary>Which endpoint owns which expert: <c>Owners[expert]</c> indexes <c>Endpoints</c>, the same for every layer; where shards have the layers of a stage, those of the first stage.</summary>
[GenerateSerializer, Immutable, Alias("loire.expert-table.v1")]
public sealed record ExpertTable(
    [property: Id(0)] ImmutableArray<TensorEndpoint> Endpoints,
    [property: Id(1)] ImmutableArray<int> Owners);
