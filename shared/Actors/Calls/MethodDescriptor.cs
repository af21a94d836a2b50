using System.Reflection;
using Loire.Actors.Serialization;
using Orleans.Runtime;

namespace Loire.Actors.Calls;

/// <summary>How calls of a method mix with others.</summary>
[Flags]
public enum CallOptions
{
    /// <summary>One at a time.</summary>
    None = 0,

    /// <summary>May run together with other read-only calls.</summary>
    ReadOnly = 1,

    /// <summary>May start at any await.</summary>
    AlwaysInterleave = 2,

    /// <summary>Nobody waits for the outcome.</summary>
    OneWay = 4,
}

/// <summary>What all calls of one interface method share; made once, by generated code.</summary>
public sealed class MethodDescriptor(
    Type interfaceType, string interfaceAlias, string name, string alias, CallOptions options, string? responseTimeout, Type[] parameters)
{
    private MethodInfo? _method;

    /// <summary>The interface.</summary>
    public Type InterfaceType { get; } = interfaceType;

    /// <summary>The interface on the wire.</summary>
    public GrainInterfaceType WireInterface { get; } = GrainInterfaceType.Create(interfaceAlias);

    /// <summary>The method's name.</summary>
    public string Name { get; } = name;

    /// <summary>The method on the wire, unique within its interface.</summary>
    public string Alias { get; } = alias;

    /// <summary>The method on the wire: a hash of interface and method, the same in every process.</summary>
    internal ulong WireId { get; } = WireName.Of(interfaceAlias, alias);

    /// <summary>How its calls mix with others.</summary>
    public CallOptions Options { get; } = options;

    /// <summary>How long a caller waits, if the method says so.</summary>
    public TimeSpan? ResponseTimeout { get; } =
        responseTimeout is null ? null : TimeSpan.Parse(responseTimeout, System.Globalization.CultureInfo.InvariantCulture);

    /// <summary>The method itself, for filters; looked up when first asked for.</summary>
    public MethodInfo Method => _method ??= InterfaceType.GetMethod(Name, parameters)
        ?? throw new MissingMethodException(InterfaceType.FullName, Name);

    /// <inheritdoc/>
    public override string ToString() => $"{InterfaceType.Name}.{Name}";
}
