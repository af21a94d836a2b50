namespace Orleans;

/// <summary>Marks a type whose copier and codec are generated from its <see cref="IdAttribute"/> members.</summary>
[AttributeUsage(AttributeTargets.Class | AttributeTargets.Struct | AttributeTargets.Enum)]
public sealed class GenerateSerializerAttribute : Attribute
{
    /// <summary>Whether the primary constructor's parameters are serialized as members; always so here.</summary>
    public bool IncludePrimaryConstructorParameters { get; init; }
}

/// <summary>The number of a member on the wire. Never reused and never changed.</summary>
[AttributeUsage(AttributeTargets.Field | AttributeTargets.Property | AttributeTargets.Parameter
    | AttributeTargets.Class | AttributeTargets.Struct | AttributeTargets.Enum | AttributeTargets.Method)]
public sealed class IdAttribute(uint id) : Attribute
{
    /// <summary>The member's number.</summary>
    public uint Id { get; } = id;
}

/// <summary>The name of a type, an interface or a method on the wire: renaming the code does not change it.</summary>
[AttributeUsage(
    AttributeTargets.Class | AttributeTargets.Interface | AttributeTargets.Struct | AttributeTargets.Enum | AttributeTargets.Method,
    AllowMultiple = false, Inherited = false)]
public sealed class AliasAttribute(string alias) : Attribute
{
    /// <summary>The name on the wire.</summary>
    public string Alias { get; } = alias;
}

/// <summary>Promises that nobody changes the value any more, so a call inside one silo passes it without a copy.</summary>
[AttributeUsage(
    AttributeTargets.Class | AttributeTargets.Struct | AttributeTargets.Field | AttributeTargets.Property
    | AttributeTargets.Parameter | AttributeTargets.ReturnValue, Inherited = false)]
public sealed class ImmutableAttribute : Attribute;
