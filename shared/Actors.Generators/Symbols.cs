using System.Text;
using Microsoft.CodeAnalysis;

namespace Loire.Actors.Generators;

/// <summary>Questions about symbols that all emitters ask.</summary>
internal static class Symbols
{
    public const string Generate = "Orleans.GenerateSerializerAttribute";

    public static string Global(this ITypeSymbol type) => type.ToDisplayString(SymbolDisplayFormat.FullyQualifiedFormat);

    public static string FullName(this ITypeSymbol type) =>
        type.ToDisplayString(SymbolDisplayFormat.FullyQualifiedFormat.WithGlobalNamespaceStyle(SymbolDisplayGlobalNamespaceStyle.Omitted));

    public static string Definition(this ITypeSymbol type) => type.OriginalDefinition.ToDisplayString(SymbolDisplayFormat.CSharpErrorMessageFormat);

    /// <summary>A name that is an identifier, and different for different types.</summary>
    public static string Mangled(this INamedTypeSymbol type)
    {
        var name = new StringBuilder();
        foreach (var character in type.OriginalDefinition.ToDisplayString(SymbolDisplayFormat.CSharpErrorMessageFormat))
        {
            name.Append(char.IsLetterOrDigit(character) ? character : '_');
        }

        return name.ToString();
    }

    public static AttributeData? Attribute(this ISymbol symbol, string name) =>
        symbol.GetAttributes().FirstOrDefault(attribute => attribute.AttributeClass?.ToDisplayString() == name);

    public static bool Has(this ISymbol symbol, string attribute) => symbol.Attribute(attribute) is not null;

    public static string? AliasOf(this ISymbol symbol) => symbol.Attribute("Orleans.AliasAttribute")?.ConstructorArguments[0].Value as string;

    public static bool Implements(this ITypeSymbol type, string name) =>
        type.ToDisplayString() == name || type.AllInterfaces.Any(candidate => candidate.ToDisplayString() == name);

    public static bool DerivesFrom(this ITypeSymbol type, string name)
    {
        for (ITypeSymbol? current = type; current is not null; current = current.BaseType)
        {
            if (current.ToDisplayString() == name)
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>Whether generated code in the same assembly can name it.</summary>
    public static bool IsNameable(this INamedTypeSymbol type)
    {
        for (INamedTypeSymbol? current = type; current is not null; current = current.ContainingType)
        {
            if (!current.DeclaredAccessibility.IsInternal() || current.IsFileLocal())
            {
                return false;
            }
        }

        return true;
    }

    public static bool IsInternal(this Accessibility accessibility) =>
        accessibility is Accessibility.Public or Accessibility.Internal or Accessibility.ProtectedOrInternal;

    public static string Literal(this string text) => Microsoft.CodeAnalysis.CSharp.SymbolDisplay.FormatLiteral(text, quote: true);

    public static string Identifier(this string name) =>
        Microsoft.CodeAnalysis.CSharp.SyntaxFacts.GetKeywordKind(name) == Microsoft.CodeAnalysis.CSharp.SyntaxKind.None ? name : "@" + name;

    private static bool IsFileLocal(this INamedTypeSymbol type) =>
        type.DeclaringSyntaxReferences.Any(reference =>
            reference.GetSyntax() is Microsoft.CodeAnalysis.CSharp.Syntax.BaseTypeDeclarationSyntax syntax && syntax.Modifiers.Any(modifier => modifier.Text == "file"));
}
