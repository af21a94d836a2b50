using Loire.Actors;

namespace Orleans.Runtime;

/// <summary>One activation, seen from inside and from filters.</summary>
public interface IGrainContext
{
    /// <summary>A reference to the grain.</summary>
    GrainReference GrainReference { get; }

    /// <summary>The grain.</summary>
    GrainId GrainId { get; }

    /// <summary>The grain object; null until it is made.</summary>
    object? GrainInstance { get; }

    /// <summary>This activation of the grain.</summary>
    ActivationId ActivationId { get; }

    /// <summary>Grain, activation and silo.</summary>
    GrainAddress Address { get; }

    /// <summary>The services of this activation.</summary>
    IServiceProvider ActivationServices { get; }

    /// <summary>The stages of this activation's life.</summary>
    IGrainLifecycle ObservableLifecycle { get; }

    /// <summary>Completes when the activation has ended.</summary>
    Task Deactivated { get; }

    /// <summary>Asks the activation to end once its running calls are done.</summary>
    void Deactivate(DeactivationReason deactivationReason, CancellationToken cancellationToken = default);

    /// <summary>Asks the activation to move once its running calls are done.</summary>
    void Migrate(Dictionary<string, object>? requestContext, CancellationToken cancellationToken = default);
}

/// <summary>The activation whose code runs on this thread.</summary>
internal static class RuntimeContext
{
    [ThreadStatic]
    private static Activation? _current;

    public static Activation? Current
    {
        get => _current;
        set => _current = value;
    }

    /// <summary>The runtime's own activation behind a context.</summary>
    /// <exception cref="InvalidOperationException">The context is a test's own.</exception>
    public static Activation Activation(this IGrainContext? context) => context as Activation
        ?? throw new InvalidOperationException("This grain object was not made by a silo, so it has no activation to act on.");
}
