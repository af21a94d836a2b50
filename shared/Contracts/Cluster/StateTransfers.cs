using System.Collections.Immutable;
using Orleans;

namespace Loire.Contracts;

/// <summary>A resident state that is to go to another silo, asked for by its session. Exactly one of checkpoint and tokens says which.</summary>
[GenerateSerializer, Immutable, Alias("loire.state-sending.v1")]
public sealed record StateSending
{
    /// <summary>Name of the other silo.</summary>
    [Id(0)] public required string To { get; init; }

    /// <summary>Owner of the session.</summary>
    [Id(1)] public required string Owner { get; init; }

    /// <summary>Address of the checkpoint that it is the state of.</summary>
    [Id(2)] public string? Checkpoint { get; init; }

    /// <summary>The longest state of a prefix of these tokens.</summary>
    [Id(3)] public ImmutableArray<int> Tokens { get; init; } = [];

    /// <summary>Whether states that no turn uses give way to it at the other end.</summary>
    [Id(4)] public bool MayEvict { get; init; }
}

/// <summary>A state that a silo offers to another one, until the call that says so has answered.</summary>
[GenerateSerializer, Immutable, Alias("loire.state-offering.v1")]
public sealed record StateOffering
{
    /// <summary>Address of the checkpoint that it is the state of.</summary>
    [Id(0)] public required string Checkpoint { get; init; }

    /// <summary>Tokens that it covers.</summary>
    [Id(1)] public required int Tokens { get; init; }

    /// <summary>Where it is fetched, over a tensor link.</summary>
    [Id(2)] public required TensorEndpoint Endpoint { get; init; }

    /// <summary>Whether states that no turn uses give way to it.</summary>
    [Id(3)] public bool MayEvict { get; init; }
}

/// <summary>What became of an offered state. Not taken is no failure: the state is in the store.</summary>
[GenerateSerializer, Immutable, Alias("loire.state-receipt.v1")]
public sealed record StateReceipt
{
    /// <summary>Whether it is on the other silo's device now.</summary>
    [Id(0)] public required bool Taken { get; init; }

    /// <summary>Recurrent state and keys and values that went over the link. What the other silo had is not among them.</summary>
    [Id(1)] public long Bytes { get; init; }

    /// <summary>All that went over the link for it, with what frames and checks add.</summary>
    [Id(2)] public long WireBytes { get; init; }

    /// <summary>Keys and values that the other silo had on its device already.</summary>
    [Id(3)] public long SharedBytes { get; init; }

    /// <summary>From the offer to the answer, in milliseconds.</summary>
    [Id(4)] public double Milliseconds { get; init; }

    /// <summary>Why it was not taken, in a sentence.</summary>
    [Id(5)] public string? Refusal { get; init; }

    public static StateReceipt Refused(string why) => new() { Taken = false, Refusal = why };
}

/// <summary>How the state of a session that moves gets to its new silo.</summary>
[GenerateSerializer, Alias("loire.state-route.v1")]
public enum StateRoute
{
    /// <summary>The next turn reads it from the store.</summary>
    Store = 0,

    /// <summary>From silo to silo, over a tensor link; it is there already.</summary>
    Link = 1,
}
