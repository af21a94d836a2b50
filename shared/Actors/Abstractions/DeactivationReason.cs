namespace Orleans;

/// <summary>Why an activation ends.</summary>
public enum DeactivationReasonCode : byte
{
    /// <summary>No reason given.</summary>
    None,

    /// <summary>The silo stops.</summary>
    ShuttingDown,

    /// <summary>Activating it failed.</summary>
    ActivationFailed,

    /// <summary>The grain directory failed it.</summary>
    DirectoryFailure,

    /// <summary>It was idle for longer than its age limit.</summary>
    ActivationIdle,

    /// <summary>It does not answer.</summary>
    ActivationUnresponsive,

    /// <summary>Another activation of the grain was there first.</summary>
    DuplicateActivation,

    /// <summary>It cannot serve a request's version.</summary>
    IncompatibleRequest,

    /// <summary>The application failed.</summary>
    ApplicationError,

    /// <summary>The application asked for it.</summary>
    ApplicationRequested,

    /// <summary>It moves to another silo.</summary>
    Migrating,

    /// <summary>The runtime asked for it.</summary>
    RuntimeRequested,

    /// <summary>The host runs out of memory.</summary>
    HighMemoryPressure,
}

/// <summary>Why an activation ends, in words and with the exception that caused it.</summary>
public readonly struct DeactivationReason(DeactivationReasonCode code, Exception? exception, string text)
{
    /// <summary>A reason without an exception.</summary>
    public DeactivationReason(DeactivationReasonCode code, string text)
        : this(code, null, text)
    {
    }

    /// <summary>The reason.</summary>
    public DeactivationReasonCode ReasonCode { get; } = code;

    /// <summary>The reason in words.</summary>
    public string Description { get; } = text;

    /// <summary>What caused it, if it was an exception.</summary>
    public Exception? Exception { get; } = exception;

    /// <inheritdoc/>
    public override string ToString() => Exception is null ? $"{ReasonCode}: {Description}" : $"{ReasonCode}: {Description}. Exception: {Exception}";
}
