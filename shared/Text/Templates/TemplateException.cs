namespace Loire.Text;

/// <summary>A chat template that cannot be parsed or rendered, or that refused its messages by <c>raise_exception</c>.</summary>
public sealed class TemplateException : Exception
{
    public TemplateException(string template, int line, string construct, string reason, bool raisedByTemplate = false, Exception? inner = null)
        : base($"{template}, line {line}: {construct}: {reason}", inner)
    {
        Template = template;
        Line = line;
        Construct = construct;
        Reason = reason;
        RaisedByTemplate = raisedByTemplate;
    }

    public string Template { get; }

    /// <summary>Counted from one; zero when no line is to blame.</summary>
    public int Line { get; }

    /// <summary>What the template tried there, such as <c>{% include %}</c> or <c>filter 'xmlattr'</c>.</summary>
    public string Construct { get; }

    public string Reason { get; }

    /// <summary>The template called <c>raise_exception</c>: the messages are at fault, <see cref="Reason"/> is for their author.</summary>
    public bool RaisedByTemplate { get; }
}
