using System.Collections.Immutable;
using System.Text;
using Microsoft.CodeAnalysis;

namespace Loire.Actors.Generators;

/// <summary>Emits, for a grain or observer interface, its reference and one request a method.</summary>
internal static class InterfaceEmitter
{
    private const string Calls = "global::Loire.Actors.Calls.";
    private const string Token = "System.Threading.CancellationToken";

    public static Output? Emit(INamedTypeSymbol type)
    {
        if (!type.Implements("Orleans.Runtime.IAddressable") || type.ContainingNamespace.ToDisplayString() == "Orleans" && type.Name.StartsWith("IGrain", StringComparison.Ordinal))
        {
            return null;
        }

        if (!type.Implements("Orleans.IGrain") && !type.Implements("Orleans.IGrainObserver"))
        {
            return null;
        }

        var problems = ImmutableArray.CreateBuilder<Problem>();
        if (type.IsGenericType || !type.IsNameable())
        {
            problems.Add(new Problem(Rules.Inaccessible, type, type.ToDisplayString()));
            return new Output(type.Mangled(), "", [], problems.ToArray());
        }

        var name = "Ref_" + type.Mangled();
        var requests = new StringBuilder();
        var methods = new StringBuilder();
        var alias = type.AliasOf() ?? type.FullName();
        var manifest = new List<string> { $"builder.AddInterface(typeof({type.Global()}), {alias.Literal()}, static binding => new {name}(binding));" };
        var index = 0;
        foreach (var member in Members(type))
        {
            if (member is IMethodSymbol { MethodKind: MethodKind.Ordinary, IsStatic: false } method)
            {
                if (Refusal(method) is null)
                {
                    manifest.Add(Registration(type, method, $"{name}_{method.Name}_{index}"));
                }

                EmitMethod(type, method, $"{name}_{method.Name}_{index++}", methods, requests, problems);
            }
            else if (member is IPropertySymbol or IEventSymbol)
            {
                problems.Add(new Problem(Rules.UnsupportedMethod, member, member.ToDisplayString(), "a grain interface has methods only"));
            }
        }

        var source = $$"""
            {{Source.Head}}
            namespace Loire.Generated
            {
                {{Source.Generated}}
                internal sealed class {{name}} : global::Orleans.Runtime.GrainReference, {{type.Global()}}
                {
                    public {{name}}(global::Orleans.Runtime.ReferenceBinding binding) : base(binding) { }
            {{methods}}    }
            {{requests}}}

            """;
        return new Output(name, source, manifest.ToArray(), problems.ToArray());
    }

    private static string Registration(INamedTypeSymbol type, IMethodSymbol method, string request)
    {
        var names = $"{(type.AliasOf() ?? type.FullName()).Literal()}, {MethodAlias(method).Literal()}";
        return Shape.Of(method).Kind == ReturnKind.Stream
            ? $"builder.AddStream({names}, static () => new {request}(null, default));"
            : $"builder.AddRequest({names}, static () => {request}.Pool.Rent());";
    }

    private static string MethodAlias(IMethodSymbol method) =>
        method.AliasOf() ?? $"{method.Name}({string.Join(",", method.Parameters.Where(parameter => !IsToken(parameter)).Select(parameter => parameter.Type.FullName()))})";

    private static IEnumerable<ISymbol> Members(INamedTypeSymbol type) =>
        type.GetMembers().Concat(type.AllInterfaces.SelectMany(parent => parent.GetMembers()));

    private static void EmitMethod(
        INamedTypeSymbol type, IMethodSymbol method, string request, StringBuilder methods, StringBuilder requests, ImmutableArray<Problem>.Builder problems)
    {
        if (Refusal(method) is { } reason)
        {
            problems.Add(new Problem(Rules.UnsupportedMethod, method, method.ToDisplayString(), reason));
            return;
        }

        CheckTypes(method, problems);
        var shape = Shape.Of(method);
        var parameters = string.Join(", ", method.Parameters.Select(parameter => $"{parameter.Type.Global()} {parameter.Name.Identifier()}"));
        methods.Append($"        {method.ReturnType.Global()} {method.ContainingType.Global()}.{method.Name}({parameters})\n        {{\n");
        if (shape.Kind == ReturnKind.Stream)
        {
            EmitStreamCall(method, request, methods);
            EmitStream(type, method, shape, request, requests);
        }
        else
        {
            EmitCall(method, shape, request, methods);
            EmitRequest(type, method, shape, request, requests);
        }

        methods.Append("        }\n");
    }

    private static void EmitCall(IMethodSymbol method, Shape shape, string request, StringBuilder methods)
    {
        methods.Append($"            var __request = {request}.Pool.Rent();\n");
        foreach (var (parameter, index) in Numbered(method))
        {
            methods.Append(IsToken(parameter)
                ? $"            __request.Bind({parameter.Name.Identifier()});\n"
                : $"            __request.A{index} = {TypeSupport.Copy(parameter.Name.Identifier(), parameter.Type, parameter)};\n");
        }

        methods.Append(shape switch
        {
            { IsOneWay: true, Kind: ReturnKind.Task } => "            CallOneWay(__request);\n            return global::System.Threading.Tasks.Task.CompletedTask;\n",
            { IsOneWay: true, Kind: ReturnKind.ValueTask } => "            CallOneWay(__request);\n            return default;\n",
            { IsOneWay: true } => "            CallOneWay(__request);\n",
            { Kind: ReturnKind.Task or ReturnKind.TaskOf } => "            return Call(__request);\n",
            { Kind: ReturnKind.ValueTask } => "            return CallVoid(__request);\n",
            _ => "            return CallValue(__request);\n",
        });
    }

    private static void EmitStreamCall(IMethodSymbol method, string request, StringBuilder methods)
    {
        var token = method.Parameters.FirstOrDefault(IsToken)?.Name.Identifier() ?? "default";
        methods.Append($"            var __request = new {request}(this, {token});\n");
        foreach (var (parameter, index) in Numbered(method))
        {
            if (!IsToken(parameter))
            {
                methods.Append($"            __request.A{index} = {TypeSupport.Copy(parameter.Name.Identifier(), parameter.Type, parameter)};\n");
            }
        }

        methods.Append("            return __request;\n");
    }

    private static void EmitRequest(INamedTypeSymbol type, IMethodSymbol method, Shape shape, string request, StringBuilder requests)
    {
        var call = $"(({method.ContainingType.Global()})target).{method.Name}({Arguments(method, "Token")})";
        var (parent, invoke) = shape.Kind switch
        {
            ReturnKind.Void => ("VoidRequest", $"protected override global::System.Threading.Tasks.ValueTask InvokeVoid(object target) {{ {call}; return default; }}"),
            ReturnKind.Task => ("VoidRequest", $"protected override global::System.Threading.Tasks.ValueTask InvokeVoid(object target) => new({call});"),
            ReturnKind.ValueTask => ("VoidRequest", $"protected override global::System.Threading.Tasks.ValueTask InvokeVoid(object target) => {call};"),
            ReturnKind.TaskOf => ($"Request<{shape.Result!.Global()}>", $"protected override global::System.Threading.Tasks.ValueTask<{shape.Result!.Global()}> Invoke(object target) => new({call});"),
            _ => ($"Request<{shape.Result!.Global()}>", $"protected override global::System.Threading.Tasks.ValueTask<{shape.Result!.Global()}> Invoke(object target) => {call};"),
        };

        requests.Append($"    {Source.Generated}\n    internal sealed class {request} : {Calls}{parent}\n    {{\n");
        requests.Append($"        internal static readonly {Calls}RequestPool<{request}> Pool = new();\n");
        requests.Append($"        private static readonly {Calls}MethodDescriptor Descriptor = {Descriptor(type, method, shape)};\n");
        EmitArguments(method, requests);
        requests.Append($"        public override {Calls}MethodDescriptor Method => Descriptor;\n");
        requests.Append($"        {invoke}\n");
        if (shape.Result is { } result && CopyOfResult(method, result) is { } copy)
        {
            requests.Append($"        protected override {result.Global()} CopyResult({result.Global()} result) => {copy};\n");
        }

        EmitWire(method, requests);

        requests.Append("        protected override void Recycle()\n        {\n");
        foreach (var (parameter, index) in Numbered(method))
        {
            if (!IsToken(parameter))
            {
                requests.Append($"            A{index} = default;\n");
            }
        }

        requests.Append("            ResetOutcome();\n            Pool.Return(this);\n        }\n    }\n");
    }

    /// <summary>Arguments on the wire are fields: one that a newer sender adds is skipped, one that an older sender lacks stays default.</summary>
    private static void EmitWire(IMethodSymbol method, StringBuilder requests)
    {
        var arguments = Numbered(method).Where(numbered => !IsToken(numbered.Parameter)).ToList();
        if (arguments.Count == 0)
        {
            return;
        }

        var write = new StringBuilder();
        var read = new StringBuilder();
        foreach (var (parameter, index) in arguments)
        {
            var codec = $"global::Loire.Actors.Serialization.Codecs.Get<{parameter.Type.Global()}>()";
            write.Append($"            writer.Field({index}, {codec}, A{index});\n");
            read.Append($"                    case {index}: A{index} = reader.Field({codec}, wire); break;\n");
        }

        requests.Append($"        public override void WriteArguments(global::Loire.Actors.Serialization.WireWriter writer)\n        {{\n{write}            writer.EndFields();\n        }}\n");
        requests.Append("        public override void ReadArguments(global::Loire.Actors.Serialization.WireReader reader)\n        {\n");
        requests.Append("            while (reader.NextField(out var number, out var wire))\n            {\n                switch (number)\n                {\n");
        requests.Append($"{read}                    default: reader.Skip(wire); break;\n                }}\n            }}\n        }}\n");
    }

    private static void EmitArguments(IMethodSymbol method, StringBuilder requests)
    {
        var get = new StringBuilder();
        var set = new StringBuilder();
        foreach (var (parameter, index) in Numbered(method))
        {
            if (IsToken(parameter))
            {
                get.Append($"            {index} => Token,\n");
                continue;
            }

            requests.Append($"        internal {parameter.Type.Global()} A{index};\n");
            get.Append($"            {index} => A{index},\n");
            set.Append($"                case {index}: A{index} = ({parameter.Type.Global()})value; break;\n");
        }

        if (method.Parameters.Length > 0)
        {
            requests.Append($"        public override int GetArgumentCount() => {method.Parameters.Length};\n");
            requests.Append($"        public override object GetArgument(int index) => index switch\n        {{\n{get}            _ => base.GetArgument(index),\n        }};\n");
            requests.Append("        public override void SetArgument(int index, object value)\n        {\n            switch (index)\n            {\n");
            requests.Append($"{set}                default: base.SetArgument(index, value); break;\n            }}\n        }}\n");
        }
    }

    private static void EmitStream(INamedTypeSymbol type, IMethodSymbol method, Shape shape, string request, StringBuilder requests)
    {
        var item = shape.Result!.Global();
        requests.Append($"    {Source.Generated}\n    internal sealed class {request} : global::Loire.Actors.Streams.StreamCall<{item}>\n    {{\n");
        foreach (var (parameter, index) in Numbered(method))
        {
            if (!IsToken(parameter))
            {
                requests.Append($"        internal {parameter.Type.Global()} A{index};\n");
            }
        }

        requests.Append($"        public {request}(global::Orleans.Runtime.GrainReference reference, global::{Token} token) : base(reference, token) {{ }}\n");
        requests.Append($"        protected override global::System.Collections.Generic.IAsyncEnumerable<{item}> Invoke(object target, global::{Token} token) => (({method.ContainingType.Global()})target).{method.Name}({Arguments(method, "token")});\n");
        if (CopyOfResult(method, shape.Result!) is { } copy)
        {
            requests.Append($"        protected override {item} CopyItem({item} result) => {copy};\n");
        }

        requests.Append($"        private static readonly {Calls}MethodDescriptor Descriptor = {Descriptor(type, method, shape)};\n");
        requests.Append($"        public override {Calls}MethodDescriptor Method => Descriptor;\n");
        EmitWire(method, requests);

        requests.Append("    }\n");
    }

    private static string Descriptor(INamedTypeSymbol type, IMethodSymbol method, Shape shape)
    {
        var options = new List<string> { $"{Calls}CallOptions.None" };
        if (method.Has("Orleans.Concurrency.ReadOnlyAttribute"))
        {
            options.Add($"{Calls}CallOptions.ReadOnly");
        }

        if (method.Has("Orleans.Concurrency.AlwaysInterleaveAttribute"))
        {
            options.Add($"{Calls}CallOptions.AlwaysInterleave");
        }

        if (shape.IsOneWay)
        {
            options.Add($"{Calls}CallOptions.OneWay");
        }

        var timeout = method.Attribute("Orleans.ResponseTimeoutAttribute")?.ConstructorArguments[0].Value is string text ? text.Literal() : "null";
        var types = string.Join(", ", method.Parameters.Select(parameter => $"typeof({parameter.Type.Global()})"));
        var alias = MethodAlias(method);
        return $"new(typeof({method.ContainingType.Global()}), {(type.AliasOf() ?? type.FullName()).Literal()}, {method.Name.Literal()}, {alias.Literal()}, {string.Join(" | ", options)}, {timeout}, new global::System.Type[] {{ {types} }})";
    }

    private static string? CopyOfResult(IMethodSymbol method, ITypeSymbol result) =>
        TypeSupport.IsImmutable(result) || method.GetReturnTypeAttributes().Any(attribute => attribute.AttributeClass?.ToDisplayString() == "Orleans.ImmutableAttribute")
            ? null
            : TypeSupport.Copy("result", result, carrier: null);

    private static void CheckTypes(IMethodSymbol method, ImmutableArray<Problem>.Builder problems)
    {
        foreach (var parameter in method.Parameters)
        {
            if (!TypeSupport.IsSupported(parameter.Type) && !TypeSupport.IsMarked(parameter))
            {
                problems.Add(new Problem(Rules.UnsupportedType, parameter, $"Parameter {parameter.Name} of {method.ToDisplayString()}", parameter.Type.ToDisplayString()));
            }
        }

        if (Shape.Of(method).Result is { } result && !TypeSupport.IsSupported(result) && CopyOfResult(method, result) is not null)
        {
            problems.Add(new Problem(Rules.UnsupportedType, method, $"The result of {method.ToDisplayString()}", result.ToDisplayString()));
        }
    }

    private static string? Refusal(IMethodSymbol method) => method switch
    {
        { IsGenericMethod: true } => "a grain method is not generic",
        _ when method.Parameters.Any(parameter => parameter.RefKind != RefKind.None) => "a grain method has no ref, in or out parameters",
        _ when method.Parameters.Count(IsToken) > 1 => "a grain method has at most one CancellationToken",
        _ => Shape.Of(method).Kind switch
        {
            ReturnKind.Other => "a grain method returns Task, Task<T>, ValueTask, ValueTask<T> or IAsyncEnumerable<T>",
            ReturnKind.Void when !method.ContainingType.Implements("Orleans.IGrainObserver") && !method.Has("Orleans.Concurrency.OneWayAttribute") => "only observers and [OneWay] methods return nothing",
            _ => null,
        },
    };

    private static string Arguments(IMethodSymbol method, string token) =>
        string.Join(", ", Numbered(method).Select(numbered => IsToken(numbered.Parameter) ? token : $"A{numbered.Index}"));

    private static IEnumerable<(IParameterSymbol Parameter, int Index)> Numbered(IMethodSymbol method) =>
        method.Parameters.Select((parameter, index) => (parameter, index));

    private static bool IsToken(IParameterSymbol parameter) => parameter.Type.ToDisplayString() == Token;
}

internal enum ReturnKind
{
    Void,
    Task,
    TaskOf,
    ValueTask,
    ValueTaskOf,
    Stream,
    Other,
}

/// <summary>What a method returns, and whether its caller waits.</summary>
internal readonly struct Shape(ReturnKind kind, ITypeSymbol? result, bool isOneWay)
{
    public ReturnKind Kind { get; } = kind;

    public ITypeSymbol? Result { get; } = result;

    public bool IsOneWay { get; } = isOneWay;

    public static Shape Of(IMethodSymbol method)
    {
        var type = method.ReturnType;
        var result = (type as INamedTypeSymbol)?.TypeArguments.FirstOrDefault();
        var kind = type.Definition() switch
        {
            "void" => ReturnKind.Void,
            "System.Threading.Tasks.Task" => ReturnKind.Task,
            "System.Threading.Tasks.Task<TResult>" => ReturnKind.TaskOf,
            "System.Threading.Tasks.ValueTask" => ReturnKind.ValueTask,
            "System.Threading.Tasks.ValueTask<TResult>" => ReturnKind.ValueTaskOf,
            "System.Collections.Generic.IAsyncEnumerable<T>" => ReturnKind.Stream,
            _ => ReturnKind.Other,
        };
        var oneWay = kind == ReturnKind.Void || (kind is ReturnKind.Task or ReturnKind.ValueTask && method.Has("Orleans.Concurrency.OneWayAttribute"));
        return new Shape(kind, result, oneWay);
    }
}
