using System.ComponentModel.DataAnnotations;
using Loire.Engine.Replica;
using Loire.Silo.Models;
using Loire.Store;

namespace Loire.Silo;

/// <summary>How one silo serves its models. Read once, at start; immutable after that.</summary>
public sealed record SiloOptions : IValidatableObject
{
    /// <summary>Folders with weights and tokenizer, the default model first.</summary>
    [Required, MinLength(1)]
    public required IReadOnlyList<string> ModelFolders { get; init; }

    /// <summary>Directory where sessions, turns and checkpoints are kept. Null: the host has registered another store.</summary>
    public string? DataDirectory { get; init; }

    /// <summary>Whether other silos take over what this one leaves behind when it stops: running turns then go on there, and are not waited for.</summary>
    public bool IsClustered { get; init; }

    /// <summary>Layer stages of a replica.</summary>
    [Range(1, 1024)]
    public int Stages { get; init; } = 1;

    /// <summary>Expert shards of a replica. A model without experts has none.</summary>
    [Range(1, 1024)]
    public int ExpertShards { get; init; } = 1;

    /// <summary>Names of the silos of the stages, in order; the first is this one. Empty: all stages here.</summary>
    public IReadOnlyList<string> StageSilos { get; init; } = [];

    /// <summary>Names of the silos of the expert shards, in order. Empty: all shards here.</summary>
    public IReadOnlyList<string> ShardSilos { get; init; } = [];

    /// <summary>Whether this silo runs no replica of its own, and only lends parts to those of others. Sessions then go elsewhere.</summary>
    public bool LendsOnly { get; init; }

    /// <summary>Port of tensor links from other silos. 0: any free one, which they are told.</summary>
    [Range(0, 65_535)]
    public int LinkPort { get; init; }

    /// <summary>What both ends of a tensor link must know: the cluster's secret. Null: links only on the loopback address.</summary>
    public string? LinkSecret { get; init; }

    /// <summary>How long a part on another silo may take to answer before its replica counts as lost.</summary>
    public TimeSpan LinkTimeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>How long a session's state may take from one silo to another before the session moves without it, and reads it from the store. 2 s: what a stream can bear.</summary>
    public TimeSpan TransferTimeout { get; init; } = TimeSpan.FromSeconds(2);

    /// <summary>Whether sessions move by themselves from silos with more load to those with less. Needs a cluster.</summary>
    public bool Rebalance { get; init; } = true;

    /// <summary>Least time between two rounds of moves that even out the load: what the first did must show before the second is planned.</summary>
    public TimeSpan RebalanceEvery { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>Most sessions that move in one such round, in the whole cluster.</summary>
    [Range(1, 1024)]
    public int RebalanceMoves { get; init; } = 8;

    /// <summary>How often a silo says how much it carries, and hears what others do.</summary>
    public TimeSpan ReportLoadEvery { get; init; } = TimeSpan.FromSeconds(1);

    public EngineOptions Engine { get; init; } = new();

    /// <summary>The GPUs that replicas run on; null: the CPU.</summary>
    public CudaOptions? Cuda { get; init; }

    /// <summary>Tokens between two checkpoints of a running turn: those computed for the prompt count from its first answer token on, restored ones do not.</summary>
    [Range(1, 1 << 20)]
    public int CheckpointEveryTokens { get; init; } = 256;

    /// <summary>Most bytes of the store. Null: the disk is the bound.</summary>
    [Range(1 << 20, long.MaxValue)]
    public long? MaxStoreBytes { get; init; }

    /// <summary>How long state that no session reaches stays in the store after its last use.</summary>
    public TimeSpan StateTimeToLive { get; init; } = TimeSpan.FromHours(24);

    /// <summary>How often what has outlived its time is deleted from the store.</summary>
    public TimeSpan SweepEvery { get; init; } = TimeSpan.FromMinutes(10);

    /// <summary>How long a state stays on the device after its last turn; its copy in the store remains.</summary>
    public TimeSpan IdleHibernateAfter { get; init; } = TimeSpan.FromMinutes(10);

    /// <summary>How long running turns may go on when the silo stops; then they are cancelled and what was delivered is committed.</summary>
    public TimeSpan DrainTimeout { get; init; } = TimeSpan.FromSeconds(20);

    /// <summary>Told of each step of loading, from any thread.</summary>
    public IProgress<LoadStep>? LoadProgress { get; init; }

    internal DirectoryStoreOptions Store => new()
    {
        Path = DataDirectory ?? throw new ValidationException($"{nameof(DataDirectory)} is not set, and no other store is registered. Set one."),
        MaxBytes = MaxStoreBytes,
        TimeToLive = StateTimeToLive,
    };

    /// <exception cref="ValidationException">Names the setting, what was found and what is allowed.</exception>
    public SiloOptions Validated()
    {
        Validator.ValidateObject(this, new ValidationContext(this), validateAllProperties: true);
        Validator.ValidateObject(Engine, new ValidationContext(Engine), validateAllProperties: true);
        return this;
    }

    IEnumerable<ValidationResult> IValidatableObject.Validate(ValidationContext validationContext)
    {
        foreach (var folder in ModelFolders)
        {
            if (!Directory.Exists(folder))
            {
                yield return new ValidationResult($"ModelFolders: there is no directory '{folder}'.", [nameof(ModelFolders)]);
            }
        }

        if (Cuda is not null && (Stages > 1 || ExpertShards > 1 || StageSilos.Count > 0 || ShardSilos.Count > 0))
        {
            yield return new ValidationResult($"Cuda is set, and the replica is to be cut into {Stages} x {ExpertShards} parts: on GPUs it is cut by their names. Leave one of the two out, or name the GPUs: --device cuda:0,1 for stages, --device cuda:0+1 for GPUs that share layers and experts.", [nameof(Cuda)]);
        }

        foreach (var (name, silos, cut) in new[] { (nameof(StageSilos), StageSilos, Stages), (nameof(ShardSilos), ShardSilos, ExpertShards) })
        {
            if (silos.FirstOrDefault(silo => silo.Length == 0 || silo.AsSpan().ContainsAny('/', '@')) is { } wrong)
            {
                yield return new ValidationResult($"{name} has '{wrong}', which is no name of a silo. Give names without '/' and '@', separated by commas.", [name]);
            }

            if (silos.Count > 0 && cut != 1 && cut != silos.Count)
            {
                yield return new ValidationResult($"{name} has {silos.Count} names for {cut} parts. Give one name for each part, or leave the number of parts out.", [name]);
            }

            if (silos.Count > 0 && (!IsClustered || LendsOnly))
            {
                yield return new ValidationResult($"{name} is set on a silo that {(LendsOnly ? "runs no replica" : "is alone")}. Set it where a replica of a cluster runs.", [name]);
            }
        }

        foreach (var (name, value) in new (string, TimeSpan)[]
            {
                (nameof(StateTimeToLive), StateTimeToLive), (nameof(SweepEvery), SweepEvery),
                (nameof(IdleHibernateAfter), IdleHibernateAfter), (nameof(DrainTimeout), DrainTimeout), (nameof(LinkTimeout), LinkTimeout),
                (nameof(TransferTimeout), TransferTimeout), (nameof(RebalanceEvery), RebalanceEvery), (nameof(ReportLoadEvery), ReportLoadEvery),
            })
        {
            if (value <= TimeSpan.Zero)
            {
                yield return new ValidationResult($"{name} is {value}: a time above zero is expected.", [name]);
            }
        }
    }
}
