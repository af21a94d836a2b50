using System.Runtime.CompilerServices;

namespace Loire.Text;

/// <summary>One rendering: where it is, what it has written, and what it may still spend.</summary>
internal sealed class RenderContext(TimeProvider time)
{
    private const int MaxOutput = 16 << 20;
    private const int MaxSteps = 20_000_000;
    private const int MaxCalls = 64;
    private const int CharactersPerStep = 8;

    [ThreadStatic]
    private static RenderContext? t_current;

    private int _steps;
    private int _calls;

    public TimeProvider Time => time;

    /// <summary>The line that runs, for errors.</summary>
    public int Line { get; private set; }

    /// <summary>What runs there.</summary>
    public string Construct { get; private set; } = "template";

    public Scope Scope { get; set; } = new(null);

    public TextBuilder Output { get; private set; } = new();

    public void At(int line, string construct)
    {
        Line = line;
        Construct = construct;
    }

    /// <summary>The output of a body that waits for its filters.</summary>
    public TemplateString Held { get; set; } = TemplateString.Empty;

    /// <summary>Counts work against the budget, so that no template runs or grows for ever.</summary>
    public void Spend(long steps = 1)
    {
        if (steps > MaxSteps || (_steps += (int)steps) > MaxSteps)
        {
            throw new TemplateFault($"the template does more than {MaxSteps} steps of work");
        }
    }

    /// <summary>Counts work in values, which know no context: shared parts can make a small value large to walk.</summary>
    public static void Charge(long steps = 1) => t_current?.Spend(steps);

    /// <summary>Counts a look at a whole text.</summary>
    public static void ChargeText(long length) => Charge((length / CharactersPerStep) + 1);

    /// <summary>Counts the making of a string, or of a part of one that is <paramref name="before"/> characters long already.</summary>
    public void SpendText(long length, long before = 0)
    {
        if (length + before > MaxOutput)
        {
            throw new TemplateFault($"a text of {length + before} characters; at most {MaxOutput} are allowed");
        }

        Spend((length / CharactersPerStep) + 1);
    }

    /// <summary>Renders on this thread, which values then charge for their work.</summary>
    public TemplateString Render(Block template)
    {
        var outer = t_current;
        t_current = this;
        try
        {
            template.Run(this);
            return Output.Build();
        }
        finally
        {
            t_current = outer;
        }
    }

    public void Write(TemplateString text)
    {
        SpendText(text.Text.Length);
        if (Output.Length + text.Text.Length > MaxOutput)
        {
            throw new TemplateFault($"more than {MaxOutput} characters of output");
        }

        Output.Append(text);
    }

    /// <summary>Runs a body whose output is a value.</summary>
    public TemplateString Capture(Block body, out Flow flow)
    {
        var outer = Output;
        Output = new TextBuilder();
        try
        {
            flow = body.Run(this);
            return Output.Build();
        }
        finally
        {
            Output = outer;
        }
    }

    public void EnterCall()
    {
        if (++_calls > MaxCalls)
        {
            throw new TemplateFault($"calls nested deeper than {MaxCalls}");
        }

        EnsureStack();
    }

    public void LeaveCall() => _calls--;

    public static void EnsureStack()
    {
        if (!RuntimeHelpers.TryEnsureSufficientExecutionStack())
        {
            throw new TemplateFault("nested too deeply");
        }
    }
}

/// <summary>Names and their values; a loop, macro or with has its own and sees those around it.</summary>
internal sealed class Scope(Scope? parent)
{
    private readonly Dictionary<string, object?> _names = new(StringComparer.Ordinal);

    public void Set(string name, object? value) => _names[name] = value;

    public bool TryGet(string name, out object? value)
    {
        for (var scope = this; scope is not null; scope = scope.Outer)
        {
            if (scope._names.TryGetValue(name, out value))
            {
                return true;
            }
        }

        value = null;
        return false;
    }

    private Scope? Outer => parent;
}
