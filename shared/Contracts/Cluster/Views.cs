using System.Collections.Immutable;
using Orleans;

namespace Loire.Contracts;

[GenerateSerializer, Immutable, Alias("loire.model-view.v1")]
public sealed record ModelView
{
    [Id(0)] public required string Id { get; init; }

    /// <summary>Family, for example <c>minimax</c>.</summary>
    [Id(1)] public required string Family { get; init; }

    [Id(2)] public required string Digest { get; init; }

    /// <summary>Folder with tokenizer and chat template, readable by gateways.</summary>
    [Id(3)] public required string Folder { get; init; }

    /// <summary>Most tokens of a session, prompt and answers, that a replica can hold.</summary>
    [Id(4)] public required int ContextTokens { get; init; }

    [Id(5)] public required int VocabularySize { get; init; }
    [Id(6)] public required DateTimeOffset LoadedAt { get; init; }
}

[GenerateSerializer, Immutable, Alias("loire.replica-view.v1")]
public sealed record ReplicaView
{
    [Id(0)] public required string Key { get; init; }
    [Id(1)] public required bool Ready { get; init; }
    [Id(2)] public int Slots { get; init; }
    [Id(3)] public int SlotsInUse { get; init; }
    [Id(4)] public int Pages { get; init; }
    [Id(5)] public int PagesInUse { get; init; }
    [Id(6)] public int RunningSequences { get; init; }
    [Id(7)] public int WaitingSequences { get; init; }
    [Id(8)] public long Steps { get; init; }
    [Id(9)] public long PromptTokens { get; init; }
    [Id(10)] public long GeneratedTokens { get; init; }
    [Id(11)] public ImmutableArray<StageView> Stages { get; init; } = [];
    [Id(12)] public RouterView? Router { get; init; }
}

[GenerateSerializer, Immutable, Alias("loire.stage-view.v1")]
public sealed record StageView(
    [property: Id(0)] int Stage,
    [property: Id(1)] string Device,
    [property: Id(2)] int FirstLayer,
    [property: Id(3)] int EndLayer,
    [property: Id(4)] long WeightBytes)
{
    /// <summary>Name of the silo, when it is not the replica's home.</summary>
    [Id(5)] public string? Silo { get; init; }
}

[GenerateSerializer, Immutable, Alias("loire.shard-view.v1")]
public sealed record ShardView(
    [property: Id(0)] int Shard,
    [property: Id(1)] string Device,
    [property: Id(2)] int FirstExpert,
    [property: Id(3)] int EndExpert,
    [property: Id(4)] long WeightBytes)
{
    /// <summary>Name of the silo, when it is not the replica's home.</summary>
    [Id(5)] public string? Silo { get; init; }

    /// <summary>Tokens routed to each expert since the shard was loaded, all its layers together.</summary>
    [Id(6)] public ImmutableArray<long> ExpertLoad { get; init; } = [];

    /// <summary>First layer whose experts these are. Null: of every layer.</summary>
    [Id(7)] public int? FirstLayer { get; init; }

    /// <summary>One past the last layer. Null: of every layer.</summary>
    [Id(8)] public int? EndLayer { get; init; }
}

/// <param name="Shards">In shard order.</param>
/// <param name="ExpertLoad">Tokens routed to each expert since the start, all layers together.</param>
[GenerateSerializer, Immutable, Alias("loire.router-view.v1")]
public sealed record RouterView(
    [property: Id(0)] ImmutableArray<ShardView> Shards,
    [property: Id(1)] ImmutableArray<long> ExpertLoad);

/// <param name="Ready">Every placed replica is loaded and steps.</param>
/// <param name="Reason">Why not, in one sentence; null when ready.</param>
/// <param name="Devices">One a device.</param>
/// <param name="Replicas">One a replica.</param>
[GenerateSerializer, Immutable, Alias("loire.cluster-view.v1")]
public sealed record ClusterView(
    [property: Id(0)] bool Ready,
    [property: Id(1)] string? Reason,
    [property: Id(2)] ImmutableArray<DeviceView> Devices,
    [property: Id(3)] ImmutableArray<ReplicaView> Replicas)
{
    /// <summary>One a silo that is in the cluster.</summary>
    [Id(4)] public ImmutableArray<SiloView> Silos { get; init; } = [];
}

/// <summary>One silo, as it sees itself.</summary>
[GenerateSerializer, Immutable, Alias("loire.silo-view.v1")]
public sealed record SiloView
{
    [Id(0)] public required string Name { get; init; }

    /// <summary>Address and generation: a silo that started again is another one.</summary>
    [Id(1)] public required string Address { get; init; }

    /// <summary>As its membership says: Joining, Active, ShuttingDown, or Dead.</summary>
    [Id(2)] public required string Status { get; init; }

    [Id(3)] public ImmutableArray<DeviceView> Devices { get; init; } = [];
    [Id(4)] public ImmutableArray<ReplicaView> Replicas { get; init; } = [];

    /// <summary>Why it serves nothing yet, in one sentence; null when its default model's replica is ready.</summary>
    [Id(5)] public string? Reason { get; init; }

    /// <summary>Sessions whose grains are here.</summary>
    [Id(6)] public int Sessions { get; init; }

    /// <summary>Turns that run here.</summary>
    [Id(7)] public int RunningTurns { get; init; }

    /// <summary>It runs no replica of its own and only lends parts to those of others.</summary>
    [Id(8)] public bool LendsOnly { get; init; }

    /// <summary>What it carries for its size: what new sessions and rebalancing go by. A running or waiting turn counts 4, an idle session 1.</summary>
    [Id(9)] public double LoadWeight { get; init; }

    /// <summary>Sessions that it has handed to other silos to even out the load, since it started.</summary>
    [Id(10)] public long HandedOver { get; init; }
}

[GenerateSerializer, Immutable, Alias("loire.device-view.v1")]
public sealed record DeviceView(
    [property: Id(0)] string Silo,
    [property: Id(1)] string Name,
    [property: Id(2)] string Description,
    [property: Id(3)] long MemoryBytes);
