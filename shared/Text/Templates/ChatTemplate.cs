using System.Text.Json;

namespace Loire.Text;

/// <summary>A chat template in the Jinja subset that published checkpoints use.</summary>
/// <remarks>
/// It behaves as Jinja does under transformers: blocks trimmed, undefined values lenient, the sandbox closed. It reads no
/// file and no clock but the one given, and its work, output and nesting are bounded. Immutable; safe to share between threads.
/// </remarks>
public sealed class ChatTemplate
{
    private const int MaxSource = 1 << 20;

    private readonly Block _body;

    private ChatTemplate(string name, Block body)
    {
        Name = name;
        _body = body;
    }

    /// <summary>What errors call it.</summary>
    public string Name { get; }

    /// <exception cref="TemplateException">Not a template, or one that needs what is not supported.</exception>
    public static ChatTemplate Parse(string source, string name)
    {
        if (source.Length > MaxSource)
        {
            throw new TemplateException(name, 0, "source", $"{source.Length} characters; at most {MaxSource} are allowed");
        }

        try
        {
            return new ChatTemplate(name, TemplateParser.Parse(source, name));
        }
        catch (TemplateFault fault)
        {
            throw new TemplateException(name, 0, "source", fault.Message, inner: fault);
        }
    }

    /// <summary>Renders with these variables; <paramref name="time"/> is what <c>strftime_now</c> tells.</summary>
    /// <exception cref="TemplateException">The template refused, failed, or ran out of its bounds.</exception>
    public string Render(IReadOnlyDictionary<string, JsonElement> variables, TimeProvider? time = null) =>
        Render(() => variables.Select(variable => (variable.Key, PythonJson.Read(variable.Value))), time ?? TimeProvider.System).Text;

    internal TemplateString Render(Func<IEnumerable<(string Name, object? Value)>> variables, TimeProvider time)
    {
        var context = new RenderContext(time);
        try
        {
            foreach (var (name, value) in variables())
            {
                context.Scope.Set(name, value);
            }

            context.Scope = new Scope(context.Scope);
            return context.Render(_body);
        }
        catch (TemplateFault fault)
        {
            throw new TemplateException(Name, context.Line, context.Construct, fault.Message, fault.RaisedByTemplate, fault);
        }
    }
}
