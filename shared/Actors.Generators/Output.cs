using Microsoft.CodeAnalysis;

namespace Loire.Actors.Generators;

/// <summary>What one declaration yields: a source file, its lines in the manifest, and what is wrong with it. Equal when it would generate the same.</summary>
internal sealed class Output : IEquatable<Output>
{
    public Output(string name, string source, string[] manifest, Problem[] problems)
    {
        Name = name;
        Source = source;
        Manifest = manifest;
        Problems = problems;
    }

    public string Name { get; }

    public string Source { get; }

    public string[] Manifest { get; }

    public Problem[] Problems { get; }

    public bool Equals(Output? other) =>
        other is not null
        && Name == other.Name
        && Source == other.Source
        && Manifest.SequenceEqual(other.Manifest)
        && Problems.SequenceEqual(other.Problems);

    public override bool Equals(object? obj) => Equals(obj as Output);

    public override int GetHashCode() => Name.GetHashCode() ^ Source.Length;
}

/// <summary>One mistake in the code that is generated from.</summary>
internal sealed class Problem : IEquatable<Problem>
{
    private readonly DiagnosticDescriptor _rule;
    private readonly Location? _location;
    private readonly string[] _arguments;

    public Problem(DiagnosticDescriptor rule, ISymbol at, params string[] arguments)
    {
        _rule = rule;
        _location = at.Locations.FirstOrDefault(location => location.IsInSource);
        _arguments = arguments;
    }

    public Diagnostic ToDiagnostic() => Diagnostic.Create(_rule, _location, _arguments);

    public bool Equals(Problem? other) =>
        other is not null && _rule.Id == other._rule.Id && Equals(_location, other._location) && _arguments.SequenceEqual(other._arguments);

    public override bool Equals(object? obj) => Equals(obj as Problem);

    public override int GetHashCode() => _rule.Id.GetHashCode();
}

internal static class Rules
{
    public static readonly DiagnosticDescriptor UnsupportedType = Rule(
        "LOIRE001", "{0} has type {1}, which cannot be copied or sent: mark that type [GenerateSerializer] and number its members with [Id], or mark it [Immutable]");

    public static readonly DiagnosticDescriptor UnsupportedMethod = Rule("LOIRE002", "{0}: {1}");

    public static readonly DiagnosticDescriptor UnsupportedShape = Rule("LOIRE003", "{0} cannot be made again from its members: {1}");

    public static readonly DiagnosticDescriptor DuplicateId = Rule("LOIRE004", "{0} and {1} both have [Id({2})]");

    public static readonly DiagnosticDescriptor Inaccessible = Rule("LOIRE005", "{0} must be public or internal, and not generic, so that generated code can use it");

    private static DiagnosticDescriptor Rule(string id, string message) =>
        new(id, "Grain code", message, "Loire.Actors", DiagnosticSeverity.Error, isEnabledByDefault: true);
}
