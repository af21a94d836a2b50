using System.Collections.Immutable;
using Microsoft.CodeAnalysis;

namespace Loire.Actors.Generators;

/// <summary>Emits, for a grain class, how it is made from the services of its activation.</summary>
internal static class GrainEmitter
{
    public static Output? Emit(INamedTypeSymbol type)
    {
        if (type.IsAbstract || !type.Implements("Orleans.IGrain") || !type.Implements("Orleans.IGrainBase"))
        {
            return null;
        }

        if (type.IsGenericType || !type.IsNameable())
        {
            return Failed(type, new Problem(Rules.Inaccessible, type, type.ToDisplayString()));
        }

        if (Constructor(type) is not { } constructor)
        {
            return Failed(type, new Problem(Rules.UnsupportedShape, type, type.ToDisplayString(), "it has no public or internal constructor"));
        }

        var arguments = string.Join(", ", constructor.Parameters.Select(Argument));
        return new Output("Grain_" + type.Mangled(), "", [$"builder.AddGrain(typeof({type.Global()}), static services => new {type.Global()}({arguments}));"], []);
    }

    private static Output Failed(INamedTypeSymbol type, Problem problem) => new("Grain_" + type.Mangled(), "", [], [problem]);

    private static IMethodSymbol? Constructor(INamedTypeSymbol type)
    {
        var candidates = type.InstanceConstructors.Where(constructor => constructor.DeclaredAccessibility.IsInternal()).ToImmutableArray();
        return candidates.FirstOrDefault(constructor => constructor.Has("Microsoft.Extensions.DependencyInjection.ActivatorUtilitiesConstructorAttribute"))
            ?? candidates.OrderByDescending(constructor => constructor.Parameters.Length).FirstOrDefault();
    }

    private static string Argument(IParameterSymbol parameter)
    {
        var type = parameter.Type.Global();
        if (parameter.Attribute("Orleans.Runtime.PersistentStateAttribute") is { } state && parameter.Type is INamedTypeSymbol { TypeArguments.Length: 1 } facet)
        {
            var storage = state.ConstructorArguments.Length > 1 && state.ConstructorArguments[1].Value is string name ? name.Literal() : "null";
            return $"services.State<{facet.TypeArguments[0].Global()}>({((string)state.ConstructorArguments[0].Value!).Literal()}, {storage})";
        }

        if (parameter.Attribute("Microsoft.Extensions.DependencyInjection.FromKeyedServicesAttribute") is { ConstructorArguments.Length: 1 } keyed)
        {
            return $"services.GetKeyed<{type}>({keyed.ConstructorArguments[0].ToCSharpStringWithType()})";
        }

        return type switch
        {
            "global::Orleans.Runtime.IGrainContext" => "services.Context",
            "global::System.IServiceProvider" => "services.Provider",
            _ when parameter.HasExplicitDefaultValue => $"services.GetOptional<{type}>()",
            _ => $"services.Get<{type}>()",
        };
    }

    private static string ToCSharpStringWithType(this TypedConstant constant) => constant.Kind switch
    {
        TypedConstantKind.Enum => $"({constant.Type!.Global()}){constant.Value}",
        TypedConstantKind.Type => $"typeof({((ITypeSymbol)constant.Value!).Global()})",
        _ => constant.Value is string text ? text.Literal() : constant.Value?.ToString() ?? "null",
    };
}
