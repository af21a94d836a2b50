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

    public EngineOptions Engine { get; init; } = new();

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

        foreach (var (name, value) in new (string, TimeSpan)[]
            {
                (nameof(StateTimeToLive), StateTimeToLive), (nameof(SweepEvery), SweepEvery),
                (nameof(IdleHibernateAfter), IdleHibernateAfter), (nameof(DrainTimeout), DrainTimeout),
            })
        {
            if (value <= TimeSpan.Zero)
            {
                yield return new ValidationResult($"{name} is {value}: a time above zero is expected.", [name]);
            }
        }
    }
}
