using System.Collections.Immutable;
using System.Text;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp.Syntax;

namespace Loire.Actors.Generators;

/// <summary>Generates references, requests and codecs, and the manifest in which the silo finds them.</summary>
[Generator(LanguageNames.CSharp)]
public sealed class ActorGenerator : IIncrementalGenerator
{
    /// <inheritdoc/>
    public void Initialize(IncrementalGeneratorInitializationContext context)
    {
        var interfaces = context.SyntaxProvider.CreateSyntaxProvider(
            static (node, _) => node is InterfaceDeclarationSyntax { BaseList: not null },
            static (syntax, token) => InFirstPart(syntax, token) is { } type ? InterfaceEmitter.Emit(type) : null);
        var grains = context.SyntaxProvider.CreateSyntaxProvider(
            static (node, _) => node is ClassDeclarationSyntax { BaseList: not null },
            static (syntax, token) => InFirstPart(syntax, token) is { } type ? GrainEmitter.Emit(type) : null);
        var codecs = context.SyntaxProvider.ForAttributeWithMetadataName(
            Symbols.Generate,
            static (_, _) => true,
            static (attributed, _) => CodecEmitter.Emit((INamedTypeSymbol)attributed.TargetSymbol));

        var all = interfaces.Collect().Combine(grains.Collect()).Combine(codecs.Collect())
            .Select(static (parts, _) => parts.Left.Left.AddRange(parts.Left.Right).AddRange(parts.Right));
        var assembly = context.CompilationProvider.Select(static (compilation, _) => compilation.AssemblyName ?? "Assembly");

        context.RegisterSourceOutput(interfaces, Write);
        context.RegisterSourceOutput(grains, Write);
        context.RegisterSourceOutput(codecs, Write);
        context.RegisterSourceOutput(all.Combine(assembly), static (output, parts) => WriteManifest(output, parts.Left, parts.Right));
    }

    /// <summary>The declared type; null in all parts of a partial type but the first, so that it is emitted once.</summary>
    private static INamedTypeSymbol? InFirstPart(GeneratorSyntaxContext syntax, CancellationToken token)
    {
        if (syntax.SemanticModel.GetDeclaredSymbol(syntax.Node, token) is not INamedTypeSymbol type)
        {
            return null;
        }

        var first = type.DeclaringSyntaxReferences.Select(reference => reference.GetSyntax(token)).FirstOrDefault(HasBases);
        return first == syntax.Node ? type : null;
    }

    private static bool HasBases(SyntaxNode node) => node is TypeDeclarationSyntax { BaseList: not null };

    private static void Write(SourceProductionContext context, Output? output)
    {
        if (output is null)
        {
            return;
        }

        foreach (var problem in output.Problems)
        {
            context.ReportDiagnostic(problem.ToDiagnostic());
        }

        if (output.Source.Length > 0)
        {
            context.AddSource($"{output.Name}.g.cs", output.Source);
        }
    }

    private static void WriteManifest(SourceProductionContext context, ImmutableArray<Output?> outputs, string assembly)
    {
        var lines = outputs
            .Where(output => output is not null)
            .SelectMany(output => output!.Manifest)
            .OrderBy(line => line, StringComparer.Ordinal)
            .ToImmutableArray();
        if (lines.Length == 0)
        {
            return;
        }

        var name = new StringBuilder("Manifest_");
        foreach (var character in assembly)
        {
            name.Append(char.IsLetterOrDigit(character) ? character : '_');
        }

        var body = string.Concat(lines.Select(line => $"            {line}\n"));
        context.AddSource("Manifest.g.cs", $$"""
            {{Source.Head}}
            [assembly: global::Loire.Actors.Manifest.ActorManifest(typeof(global::Loire.Generated.{{name}}))]
            namespace Loire.Generated
            {
                {{Source.Generated}}
                internal sealed class {{name}} : global::Loire.Actors.Manifest.AssemblyManifest
                {
                    public override void Describe(global::Loire.Actors.Manifest.IManifestBuilder builder)
                    {
            {{body}}        }
                }
            }

            """);
    }
}
