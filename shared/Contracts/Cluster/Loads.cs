using System.Collections.Immutable;
using Orleans;

namespace Loire.Contracts;

/// <summary>How much one silo carries, as it says itself every so often.</summary>
[GenerateSerializer, Immutable, Alias("loire.silo-load.v1")]
public sealed record SiloLoad
{
    /// <summary>Name of the silo.</summary>
    [Id(0)] public required string Silo { get; init; }

    /// <summary>Address and generation: a silo that started again is another one.</summary>
    [Id(1)] public required string Address { get; init; }

    /// <summary>It has a replica that is ready, and does not drain: sessions may come to it.</summary>
    [Id(2)] public bool Serves { get; init; }

    /// <summary>It lets its sessions go: nothing is evened out meanwhile.</summary>
    [Id(3)] public bool Drains { get; init; }

    /// <summary>Slots of its replicas.</summary>
    [Id(4)] public int Slots { get; init; }

    /// <summary>Turns that run there or wait for a place.</summary>
    [Id(5)] public int Turns { get; init; }

    /// <summary>Turns among them that wait for a place.</summary>
    [Id(6)] public int WaitingTurns { get; init; }

    /// <summary>Pages of its replicas.</summary>
    [Id(7)] public int Pages { get; init; }

    /// <summary>Pages that running turns hold; those of idle states give way and do not count.</summary>
    [Id(8)] public int BusyPages { get; init; }

    /// <summary>Sessions whose grains are there and that run no turn now.</summary>
    [Id(9)] public int IdleSessions { get; init; }
}

/// <summary>What a silo hears when it says how much it carries.</summary>
[GenerateSerializer, Immutable, Alias("loire.cluster-loads.v1")]
public sealed record ClusterLoads
{
    /// <summary>What all silos said last.</summary>
    [Id(0)] public ImmutableArray<SiloLoad> Silos { get; init; } = [];

    /// <summary>Sessions that this silo is to hand to others now.</summary>
    [Id(1)] public ImmutableArray<HandOver> HandOvers { get; init; } = [];
}

/// <summary>Sessions that go from one silo to another to even out the load.</summary>
/// <param name="To">Name of the silo.</param>
/// <param name="Idle">How many that run no turn.</param>
/// <param name="Running">How many that do: their streams pause for a moment.</param>
[GenerateSerializer, Immutable, Alias("loire.hand-over.v1")]
public sealed record HandOver([property: Id(0)] string To, [property: Id(1)] int Idle, [property: Id(2)] int Running);
