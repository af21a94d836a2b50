using Orleans;
using Orleans.Concurrency;
using Orleans.Runtime;

namespace Loire.Actors;

/// <summary>What silos ask each other, beside the calls of grains.</summary>
[Alias("loire.silo-control.v1")]
internal interface ISiloControl : IGrainObserver
{
    /// <summary>The silo's activations of these grain classes, or all.</summary>
    [AlwaysInterleave]
    [Alias("statistics")]
    Task<DetailedGrainStatistic[]> Statistics(string[]? types);

    /// <summary>Ends activations that have been idle for longer.</summary>
    [AlwaysInterleave]
    [Alias("collect")]
    Task Collect(TimeSpan ageLimit);

    /// <summary>Takes an activation that moves here. Calls may follow at once.</summary>
    [AlwaysInterleave]
    [ResponseTimeout("00:01:00")]
    [Alias("accept")]
    Task Accept(MovingActivation moving);
}

/// <summary>An activation on its way to another silo.</summary>
[GenerateSerializer, Immutable, Alias("loire.moving-activation.v1")]
internal sealed record MovingActivation
{
    [Id(0)] public required GrainId GrainId { get; init; }

    [Id(1)] public required Guid ActivationId { get; init; }

    [Id(2)] public required SiloAddress From { get; init; }

    /// <summary>What it takes along.</summary>
    [Id(3)] public required List<MovingValue> Values { get; init; }

    /// <summary>The request context in which it moves.</summary>
    [Id(4)] public Dictionary<string, object>? Context { get; init; }
}

/// <summary>One value that an activation takes along.</summary>
[GenerateSerializer, Immutable, Alias("loire.moving-value.v1")]
internal sealed record MovingValue([property: Id(0)] string Key, [property: Id(1)] byte[] Bytes);

/// <inheritdoc/>
internal sealed class SiloControl(SiloRuntime runtime) : ISiloControl
{
    public const string Name = "control";

    public Task<DetailedGrainStatistic[]> Statistics(string[]? types) => Task.FromResult<DetailedGrainStatistic[]>([.. runtime.Catalog.All
        .Where(activation => types is null || types.Contains(activation.Class.Name))
        .Select(activation => new DetailedGrainStatistic
        {
            GrainType = activation.Class.Name,
            SiloAddress = runtime.Address,
            GrainId = activation.GrainId,
        })]);

    public Task Collect(TimeSpan ageLimit)
    {
        runtime.Collect(ageLimit);
        return Task.CompletedTask;
    }

    public Task Accept(MovingActivation moving)
    {
        var previous = new GrainAddress { GrainId = moving.GrainId, ActivationId = new ActivationId(moving.ActivationId), SiloAddress = moving.From };
        var origin = new ActivationOrigin(moving.Context, new MigrationContext(runtime, moving.Values.ToDictionary(value => value.Key, value => value.Bytes, StringComparer.Ordinal)), previous);
        var activation = new Activation(runtime, runtime.Manifest.ClassOf(moving.GrainId.Type), moving.GrainId, origin);
        if (runtime.Catalog.IsClosed || !runtime.Catalog.TryAdd(activation))
        {
            throw new SiloUnavailableException($"{moving.GrainId} cannot move to {runtime.Address}: the silo stops, or has another activation of it.");
        }

        activation.Begin();
        return Task.CompletedTask;
    }
}
