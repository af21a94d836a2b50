using Loire.Actors.Generators;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;

namespace Loire.Actors.Tests;

public sealed class GeneratorTests
{
    [Theory]
    [InlineData("Task Send(System.IO.Stream stream);", "LOIRE001", "Parameter stream of Test.IThing.Send(System.IO.Stream) has type System.IO.Stream")]
    [InlineData("Task<System.Text.StringBuilder> Get();", "LOIRE001", "The result of Test.IThing.Get() has type System.Text.StringBuilder")]
    [InlineData("Task Send(System.Collections.Generic.List<System.IO.Stream> streams);", "LOIRE001", "List<System.IO.Stream>")]
    [InlineData("int Now();", "LOIRE002", "returns Task, Task<T>, ValueTask, ValueTask<T> or IAsyncEnumerable<T>")]
    [InlineData("void Tell();", "LOIRE002", "only observers and [OneWay] methods return nothing")]
    [InlineData("Task Any<T>(T value);", "LOIRE002", "not generic")]
    [InlineData("Task Two(System.Threading.CancellationToken a, System.Threading.CancellationToken b);", "LOIRE002", "at most one CancellationToken")]
    [InlineData("int Count { get; }", "LOIRE002", "methods only")]
    public void A_method_that_cannot_be_called_from_afar_is_refused_by_name(string member, string rule, string message)
    {
        var problem = Assert.Single(Run($"public interface IThing : IGrainWithStringKey {{ {member} }}"));

        Assert.Equal(rule, problem.Id);
        Assert.Contains(message, problem.GetMessage());
    }

    [Theory]
    [InlineData("[GenerateSerializer] public class Thing { [Id(0)] public System.IO.Stream Stream { get; set; } }", "LOIRE001", "Member Test.Thing.Stream has type System.IO.Stream")]
    [InlineData("[GenerateSerializer] public class Thing { [Id(0)] public int A { get; set; } [Id(0)] public int B { get; set; } }", "LOIRE004", "both have [Id(0)]")]
    [InlineData("[GenerateSerializer] public class Thing { [Id(0)] public int A { get; } }", "LOIRE003", "A can be set by a constructor only")]
    [InlineData("public class Outer { [GenerateSerializer] private class Thing { [Id(0)] public int A { get; set; } } }", "LOIRE005", "Test.Outer.Thing must be public or internal")]
    public void A_type_that_cannot_be_passed_is_refused_by_the_name_of_its_member(string type, string rule, string message)
    {
        var problem = Assert.Single(Run(type));

        Assert.Equal(rule, problem.Id);
        Assert.Contains(message, problem.GetMessage());
    }

    [Theory]
    [InlineData("public interface IThing : IGrainWithStringKey { Task Send([Immutable] System.IO.Stream stream); }")]
    [InlineData("public interface IThing : IGrainWithStringKey { [Orleans.Concurrency.OneWay] void Tell(string @class, int request, object target); }")]
    [InlineData("public interface IThing : IGrainWithStringKey { Task<(int A, string B)> Get(System.Collections.Generic.IReadOnlyList<Thing> things); } [GenerateSerializer] public record Thing(int A, Thing B) { [Id(0)] public int C { get; init; } }")]
    [InlineData("public interface IBase : IGrainWithStringKey { Task A(); } public interface IThing : IBase { System.Collections.Generic.IAsyncEnumerable<int> B(int count); } public class ThingGrain : Grain, IThing { public Task A() => null; public System.Collections.Generic.IAsyncEnumerable<int> B(int count) => null; }")]
    [InlineData("[GenerateSerializer] public abstract class Shape { [Id(0)] public int A { get; set; } } [GenerateSerializer] public sealed class Square : Shape { [Id(0)] public int Side { get; init; } }")]
    [InlineData("[GenerateSerializer] public readonly struct Thing { public Thing(int a) => A = a; [Id(0)] public int A { get; } }")]
    [InlineData("[GenerateSerializer] public sealed class Box<T> where T : class { [Id(0)] public T Value { get; set; } }")]
    public void What_can_be_passed_compiles(string code)
    {
        Assert.Empty(Run(code));
    }

    /// <summary>The generator's messages, or else the compiler's about what it generated.</summary>
    private static Diagnostic[] Run(string code)
    {
        var references = ((string)AppContext.GetData("TRUSTED_PLATFORM_ASSEMBLIES")!)
            .Split(Path.PathSeparator)
            .Where(path => Path.GetFileName(path) is var name && (name.StartsWith("System.", StringComparison.Ordinal) || name.StartsWith("Loire.Actors.dll", StringComparison.Ordinal) || name is "netstandard.dll" or "mscorlib.dll"))
            .Select(path => MetadataReference.CreateFromFile(path));
        var compilation = CSharpCompilation.Create(
            "Test",
            [CSharpSyntaxTree.ParseText($"using System.Threading.Tasks; using Orleans; namespace Test {{ {code} }}")],
            references,
            new CSharpCompilationOptions(OutputKind.DynamicallyLinkedLibrary));

        CSharpGeneratorDriver.Create(new ActorGenerator()).RunGeneratorsAndUpdateCompilation(compilation, out var generated, out var problems);
        return problems.Length > 0 ? [.. problems] : [.. generated.GetDiagnostics().Where(diagnostic => diagnostic.Severity == DiagnosticSeverity.Error)];
    }
}
