using System.Text.Json;

namespace Loire.Text;

/// <summary>How a model wants its conversations written: the chat template and special tokens of a model folder.</summary>
/// <remarks>
/// Special tokens come from the template alone. Whatever callers pass in (messages, tools, variables) is followed through the
/// template character by character, and where it spells a special token it stays plain text. Safe to share between threads.
/// </remarks>
public sealed class ChatFormat
{
    private readonly IReadOnlyDictionary<string, ChatTemplate> _templates;
    private readonly IReadOnlyDictionary<string, string> _specialTokens;
    private readonly TimeProvider _time;
    private readonly bool _contentInParts;

    internal ChatFormat(IReadOnlyDictionary<string, ChatTemplate> templates, IReadOnlyDictionary<string, string> specialTokens, TimeProvider time)
    {
        _templates = templates;
        _specialTokens = specialTokens;
        _time = time;
        _contentInParts = WantsParts();
    }

    /// <summary>Reads <c>tokenizer_config.json</c>, and <c>chat_template.jinja</c> where there is one, which then counts.</summary>
    /// <exception cref="TemplateException">There is no template, or it cannot be parsed.</exception>
    public static ChatFormat Load(string modelFolder, TimeProvider? time = null) => ChatFormatReader.Read(modelFolder, time ?? TimeProvider.System);

    /// <summary>The conversation as one text, for people to read. Models get it from <see cref="Encode"/>, which is safe.</summary>
    /// <param name="messages">Oldest first.</param>
    /// <param name="addGenerationPrompt">Ends with the opening of the assistant's turn.</param>
    /// <param name="tools">An array in OpenAI's shape; chooses the template called <c>tool_use</c> where a model has several.</param>
    /// <param name="variables">Further variables that the template reads, such as <c>enable_thinking</c>.</param>
    /// <exception cref="TemplateException">The template refused these messages (<see cref="TemplateException.RaisedByTemplate"/>) or failed.</exception>
    public string Render(
        IReadOnlyList<ChatMessage> messages, bool addGenerationPrompt,
        JsonElement? tools = null, IReadOnlyDictionary<string, JsonElement>? variables = null) =>
        RenderTainted(messages, addGenerationPrompt, tools, variables).Text;

    /// <summary>The ids of a conversation; special tokens only where the template itself writes them.</summary>
    /// <inheritdoc cref="Render"/>
    public int[] Encode(
        IReadOnlyList<ChatMessage> messages, bool addGenerationPrompt, Tokenizer tokenizer,
        JsonElement? tools = null, IReadOnlyDictionary<string, JsonElement>? variables = null)
    {
        var rendered = RenderTainted(messages, addGenerationPrompt, tools, variables);
        return tokenizer.Encode(rendered.Text, rendered.Taint);
    }

    /// <summary>What follows <paramref name="have"/> when these messages go on from it, or null when they do not.</summary>
    /// <remarks>
    /// The ids that are there stay as they are, as generated ids need not be those that encoding their text would give.
    /// The messages go on from them when the rendered text begins with theirs and both have the same special tokens in the
    /// same places. Null also where decoded text cannot be compared with rendered text, because the tokenizer's normalizer
    /// does more than fold characters: then encode the whole.
    /// </remarks>
    /// <inheritdoc cref="Render"/>
    public int[]? EncodeContinuation(
        ReadOnlySpan<int> have, IReadOnlyList<ChatMessage> messages, bool addGenerationPrompt, Tokenizer tokenizer,
        JsonElement? tools = null, IReadOnlyDictionary<string, JsonElement>? variables = null)
    {
        var rendered = RenderTainted(messages, addGenerationPrompt, tools, variables);
        return tokenizer.CutAtSpecials(rendered.Text, rendered.Taint) is { } segments
            ? Continuation.After(have, segments, tokenizer)
            : null;
    }

    private TemplateString RenderTainted(
        IReadOnlyList<ChatMessage> messages, bool addGenerationPrompt,
        JsonElement? tools, IReadOnlyDictionary<string, JsonElement>? variables) =>
        RenderTainted(messages, addGenerationPrompt, tools, variables, _contentInParts);

    private TemplateString RenderTainted(
        IReadOnlyList<ChatMessage> messages, bool addGenerationPrompt,
        JsonElement? tools, IReadOnlyDictionary<string, JsonElement>? variables, bool contentInParts)
    {
        var name = tools is not null && _templates.ContainsKey(ChatFormatReader.ToolTemplate) ? ChatFormatReader.ToolTemplate : ChatFormatReader.DefaultTemplate;
        return _templates[name].Render(() => Variables(messages, addGenerationPrompt, tools, variables, contentInParts), _time);
    }

    private IEnumerable<(string, object?)> Variables(
        IReadOnlyList<ChatMessage> messages, bool addGenerationPrompt,
        JsonElement? tools, IReadOnlyDictionary<string, JsonElement>? variables, bool contentInParts)
    {
        // Callers' variables come before all that they must not replace.
        yield return ("documents", null);
        foreach (var (name, value) in variables ?? new Dictionary<string, JsonElement>())
        {
            yield return (name, PythonJson.Read(value));
        }

        foreach (var (name, token) in _specialTokens)
        {
            yield return (name, new TemplateString(token));
        }

        yield return ("messages", new TemplateList([.. messages.Select(message => MessageValue(message, contentInParts))]));
        yield return ("tools", tools is { } list ? PythonJson.Read(list) : null);
        yield return ("add_generation_prompt", addGenerationPrompt);
    }

    private static TemplateDict MessageValue(ChatMessage message, bool contentInParts)
    {
        var value = new TemplateDict();
        var content = TemplateString.Tainted(SafeText.WellFormed(message.Content));
        value.Set("role", TemplateString.Tainted(message.Role));
        value.Set("content", contentInParts ? new TemplateList([Part(content)]) : content);
        SetText("name", message.Name);
        SetText("tool_call_id", message.ToolCallId);
        SetText("reasoning_content", message.ReasoningContent);
        if (message.ToolCalls is { } calls)
        {
            value.Set("tool_calls", PythonJson.Read(calls));
        }

        return value;

        void SetText(string name, string? text)
        {
            if (text is not null)
            {
                value.Set(name, TemplateString.Tainted(SafeText.WellFormed(text)));
            }
        }
    }

    private static TemplateDict Part(TemplateString text)
    {
        var part = new TemplateDict();
        part.Set("type", new TemplateString("text"));
        part.Set("text", text);
        return part;
    }

    /// <summary>Some templates read <c>content[0].text</c> and others <c>content</c>; rendering a probe both ways tells which.</summary>
    private bool WantsParts()
    {
        const string probe = "probe-7f3a";
        return !Shows(inParts: false) && Shows(inParts: true);

        bool Shows(bool inParts)
        {
            try
            {
                var rendered = RenderTainted([new ChatMessage("user", probe)], addGenerationPrompt: true, null, null, inParts);
                return rendered.Text.Contains(probe, StringComparison.Ordinal);
            }
            catch (TemplateException)
            {
                return false; // a template may well refuse a probe; then it is given strings
            }
        }
    }
}
