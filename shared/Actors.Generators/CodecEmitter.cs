using System.Collections.Immutable;
using System.Globalization;
using System.Text;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp.Syntax;

namespace Loire.Actors.Generators;

/// <summary>Emits the codec of a type with numbered members: copy, write, read.</summary>
internal static class CodecEmitter
{
    private const string Serialization = "global::Loire.Actors.Serialization.";

    public static Output? Emit(INamedTypeSymbol type)
    {
        if (type.TypeKind == TypeKind.Enum)
        {
            return null; // it has a built-in codec
        }

        var problems = ImmutableArray.CreateBuilder<Problem>();
        var name = "Codec_" + type.Mangled();
        if (!type.IsNameable() || type.ContainingType?.IsGenericType == true)
        {
            problems.Add(new Problem(Rules.Inaccessible, type, type.ToDisplayString()));
            return new Output(name, "", [], problems.ToArray());
        }

        var members = Member.AllOf(type, problems);
        var make = type.IsAbstract ? null : Construction.Find(type, members, problems);
        if (problems.Count > 0)
        {
            return new Output(name, "", [], problems.ToArray());
        }

        return new Output(name, Emit(type, name, members, make), [Registration(type, name)], []);
    }

    private static string Registration(INamedTypeSymbol type, string name)
    {
        var alias = (type.AliasOf() ?? type.FullName()).Literal();
        if (!type.IsGenericType)
        {
            return $"builder.AddCodec<{type.Global()}>({alias}, static () => new {name}());";
        }

        var commas = new string(',', type.TypeParameters.Length - 1);
        return $"builder.AddGenericCodec(typeof({type.ConstructUnboundGenericType().Global()}), {alias}, typeof({name}<{commas}>));";
    }

    private static string Emit(INamedTypeSymbol type, string name, ImmutableArray<Member> members, Construction? make)
    {
        var global = type.Global();
        var parameters = type.IsGenericType ? $"<{string.Join(", ", type.TypeParameters.Select(parameter => parameter.Name))}>" : "";
        var copy = make is null ? "throw Abstract()" : make.Expression(member => TypeSupport.Copy($"value.{member.Name}", member.Type, member.Symbol));
        var write = new StringBuilder();
        var locals = new StringBuilder();
        var cases = new StringBuilder();
        foreach (var member in members)
        {
            var codec = $"{Serialization}Codecs.Get<{member.Type.Global()}>()";
            write.Append($"            writer.Field({member.Number}, {codec}, value.{member.Name});\n");
            locals.Append($"            {member.Type.Global()} m{member.Number} = default;\n");
            cases.Append($"                    case {member.Number}: m{member.Number} = reader.Field({codec}, wire); break;\n");
        }

        var read = make is null ? "throw Abstract();" : $"return {make.Expression(member => $"m{member.Number}")};";
        return $$"""
            {{Source.Head}}
            namespace Loire.Generated
            {
                {{Source.Generated}}
                internal sealed class {{name}}{{parameters}} : {{Serialization}}ObjectCodec<{{global}}>{{Constraints(type)}}
                {
                    protected override {{global}} CopyMembers({{global}} value) => {{copy}};
                    protected override void WriteMembers({{Serialization}}WireWriter writer, {{global}} value)
                    {
            {{write}}        }
                    protected override {{global}} ReadMembers({{Serialization}}WireReader reader)
                    {
            {{locals}}            while (reader.NextField(out var number, out var wire))
                        {
                            switch (number)
                            {
            {{cases}}                    default: reader.Skip(wire); break;
                            }
                        }
                        {{read}}
                    }
                }
            }

            """;
    }

    private static string Constraints(INamedTypeSymbol type)
    {
        var text = new StringBuilder();
        foreach (var parameter in type.TypeParameters)
        {
            var constraints = new List<string>();
            if (parameter.HasReferenceTypeConstraint)
            {
                constraints.Add("class");
            }

            if (parameter.HasValueTypeConstraint)
            {
                constraints.Add("struct");
            }

            if (parameter.HasNotNullConstraint)
            {
                constraints.Add("notnull");
            }

            constraints.AddRange(parameter.ConstraintTypes.Select(constraint => constraint.Global()));
            if (parameter.HasConstructorConstraint)
            {
                constraints.Add("new()");
            }

            if (constraints.Count > 0)
            {
                text.Append($" where {parameter.Name} : {string.Join(", ", constraints)}");
            }
        }

        return text.ToString();
    }
}

/// <summary>One member that is passed.</summary>
internal sealed class Member
{
    // The levels of a class hierarchy number their members on their own; each level has this much room.
    private const uint LevelSize = 1u << 20;

    // Positional members without an [Id] come after those that have one.
    private const uint PositionalBase = 1u << 16;

    // The message and the cause of an exception.
    private const uint ExceptionBase = 1u << 28;

    private Member(ISymbol symbol, ITypeSymbol type, uint number)
    {
        Symbol = symbol;
        Type = type;
        Number = number.ToString(CultureInfo.InvariantCulture);
    }

    public ISymbol Symbol { get; }

    public ITypeSymbol Type { get; }

    public string Name => Symbol.Name.Identifier();

    public string Number { get; }

    /// <summary>Whether a value can do without it: the message and the cause of an exception.</summary>
    public bool IsOptional => Symbol.ContainingType.ToDisplayString() == "System.Exception";

    /// <summary>Whether an object initialiser can set it.</summary>
    public bool IsSettable => Symbol switch
    {
        IFieldSymbol plain => !plain.IsReadOnly,
        IPropertySymbol property => property.SetMethod is { } set && set.DeclaredAccessibility.IsInternal(),
        _ => false,
    };

    public static ImmutableArray<Member> AllOf(INamedTypeSymbol type, ImmutableArray<Problem>.Builder problems)
    {
        var levels = new Stack<INamedTypeSymbol>();
        for (var level = type; level is { SpecialType: not SpecialType.System_Object } && level.SpecialType != SpecialType.System_ValueType; level = level.BaseType)
        {
            levels.Push(level);
        }

        var members = ImmutableArray.CreateBuilder<Member>();
        var depth = 0u;
        foreach (var level in levels)
        {
            AddLevel(level, depth++ * LevelSize, members, problems);
        }

        if (type.DerivesFrom("System.Exception"))
        {
            AddException(levels.First(level => level.ToDisplayString() == "System.Exception"), members);
        }

        return members.ToImmutable();
    }

    // Message and cause are the base class's own; a constructor gives them back.
    private static void AddException(INamedTypeSymbol exception, ImmutableArray<Member>.Builder members)
    {
        var number = ExceptionBase;
        foreach (var name in new[] { "Message", "InnerException" })
        {
            var property = exception.GetMembers(name).OfType<IPropertySymbol>().Single();
            members.Add(new Member(property, property.Type, number++));
        }
    }

    private static void AddLevel(INamedTypeSymbol level, uint first, ImmutableArray<Member>.Builder members, ImmutableArray<Problem>.Builder problems)
    {
        var positional = Construction.Primary(level)?.Parameters ?? ImmutableArray<IParameterSymbol>.Empty;
        var taken = new Dictionary<uint, ISymbol>();
        foreach (var symbol in level.GetMembers())
        {
            if (symbol.IsStatic || symbol is not (IFieldSymbol { IsImplicitlyDeclared: false } or IPropertySymbol { IsIndexer: false }))
            {
                continue;
            }

            var parameter = level.IsRecord ? positional.FirstOrDefault(candidate => candidate.Name == symbol.Name) : null;
            var id = symbol.Attribute("Orleans.IdAttribute") ?? parameter?.Attribute("Orleans.IdAttribute");
            if (id is null && parameter is null)
            {
                continue;
            }

            var number = id?.ConstructorArguments[0].Value is uint given ? given : PositionalBase + (uint)parameter!.Ordinal;
            if (taken.TryGetValue(number, out var other))
            {
                problems.Add(new Problem(Rules.DuplicateId, symbol, other.ToDisplayString(), symbol.ToDisplayString(), number.ToString(CultureInfo.InvariantCulture)));
                continue;
            }

            taken.Add(number, symbol);
            var type = symbol is IFieldSymbol plain ? plain.Type : ((IPropertySymbol)symbol).Type;
            if (!TypeSupport.IsSupported(type) && !TypeSupport.IsMarked(symbol))
            {
                problems.Add(new Problem(Rules.UnsupportedType, symbol, $"Member {symbol.ToDisplayString()}", type.ToDisplayString()));
            }

            members.Add(new Member(symbol, type, first + number));
        }
    }
}

/// <summary>How a value is made from its members: a constructor, and an initialiser for the rest.</summary>
internal sealed class Construction
{
    private readonly INamedTypeSymbol _type;
    private readonly ImmutableArray<Member> _arguments;
    private readonly ImmutableArray<Member> _rest;

    private Construction(INamedTypeSymbol type, ImmutableArray<Member> arguments, ImmutableArray<Member> rest)
    {
        _type = type;
        _arguments = arguments;
        _rest = rest;
    }

    /// <summary>The constructor that a record or class declares in its head, if its parameters are there to see.</summary>
    public static IMethodSymbol? Primary(INamedTypeSymbol type) => type.InstanceConstructors.FirstOrDefault(constructor =>
        constructor.DeclaringSyntaxReferences.Any(reference => reference.GetSyntax() is TypeDeclarationSyntax)
        && constructor.Parameters.Length > 0);

    public static Construction? Find(INamedTypeSymbol type, ImmutableArray<Member> members, ImmutableArray<Problem>.Builder problems)
    {
        var constructors = type.InstanceConstructors
            .Where(constructor => constructor.DeclaredAccessibility.IsInternal() && !IsCopy(constructor, type))
            .OrderBy(constructor => type.DerivesFrom("System.Exception") ? -constructor.Parameters.Length : constructor.Parameters.Length);
        foreach (var constructor in constructors)
        {
            if (Match(constructor, members) is not { } arguments)
            {
                continue;
            }

            var rest = members.Where(member => !arguments.Contains(member) && !member.IsOptional).ToImmutableArray();
            if (rest.All(member => member.IsSettable))
            {
                return new Construction(type, arguments, rest);
            }
        }

        var stuck = members.Where(member => !member.IsSettable).Select(member => member.Symbol.Name);
        problems.Add(new Problem(
            Rules.UnsupportedShape, type, type.ToDisplayString(),
            $"no constructor takes members only, and {string.Join(", ", stuck)} can be set by a constructor only"));
        return null;
    }

    public string Expression(Func<Member, string> value)
    {
        var arguments = string.Join(", ", _arguments.Select(value));
        var rest = _rest.Length == 0 ? "" : $" {{ {string.Join(", ", _rest.Select(member => $"{member.Name} = {value(member)}"))} }}";
        return $"new {_type.Global()}({arguments}){rest}";
    }

    private static ImmutableArray<Member>? Match(IMethodSymbol constructor, ImmutableArray<Member> members)
    {
        var arguments = ImmutableArray.CreateBuilder<Member>();
        foreach (var parameter in constructor.Parameters)
        {
            var member = members.FirstOrDefault(candidate =>
                (string.Equals(candidate.Symbol.Name.TrimStart('_'), parameter.Name, StringComparison.OrdinalIgnoreCase)
                    || (candidate is { IsOptional: true, Name: "InnerException" } && parameter.Name == "inner"))
                && SymbolEqualityComparer.Default.Equals(candidate.Type, parameter.Type));
            if (member is null)
            {
                return null;
            }

            arguments.Add(member);
        }

        return arguments.ToImmutable();
    }

    private static bool IsCopy(IMethodSymbol constructor, INamedTypeSymbol type) =>
        constructor.Parameters.Length == 1 && SymbolEqualityComparer.Default.Equals(constructor.Parameters[0].Type, type);
}
