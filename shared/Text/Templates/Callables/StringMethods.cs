namespace Loire.Text;

using Method = Func<RenderContext, object, Arguments, object?>;

/// <summary>Methods of strings. Pieces keep the taint of the characters that they are made of.</summary>
internal static class StringMethods
{
    public static Dictionary<string, Method> All { get; } = new(StringComparer.Ordinal)
    {
        ["strip"] = Text((self, a) => Strip(self, a.Bind("chars"), left: true, right: true)),
        ["lstrip"] = Text((self, a) => Strip(self, a.Bind("chars"), left: true, right: false)),
        ["rstrip"] = Text((self, a) => Strip(self, a.Bind("chars"), left: false, right: true)),
        ["upper"] = Text((self, _) => self.WithText(self.Text.ToUpperInvariant())),
        ["lower"] = Text((self, _) => self.WithText(self.Text.ToLowerInvariant())),
        ["title"] = Text((self, _) => self.WithText(TextCase.Title(self.Text))),
        ["capitalize"] = Text((self, _) => self.WithText(TextCase.Capitalize(self.Text))),
        ["replace"] = (context, self, a) =>
        {
            var bound = a.Bind("old", "new", "count");
            return TextPieces.Replace((TemplateString)self, bound.Text(0), bound.Text(1), bound.Int(2, -1), context);
        },
        ["split"] = Text((self, a) => Split(self, a.Bind("sep", "maxsplit"), fromRight: false)),
        ["rsplit"] = Text((self, a) => Split(self, a.Bind("sep", "maxsplit"), fromRight: true)),
        ["splitlines"] = Text((self, _) => new TemplateList([.. TextPieces.Lines(self)])),
        ["partition"] = Text((self, a) => Partition(self, a.Bind("sep").Text(0), fromRight: false)),
        ["rpartition"] = Text((self, a) => Partition(self, a.Bind("sep").Text(0), fromRight: true)),
        ["startswith"] = Text((self, a) => Affixes(a).Any(part => self.Text.StartsWith(part.Text, StringComparison.Ordinal))),
        ["endswith"] = Text((self, a) => Affixes(a).Any(part => self.Text.EndsWith(part.Text, StringComparison.Ordinal))),
        ["removeprefix"] = Text((self, a) => a.Bind("prefix").Text(0) is var part && self.Text.StartsWith(part.Text, StringComparison.Ordinal)
            ? self.Slice(part.Text.Length)
            : self),
        ["removesuffix"] = Text((self, a) => a.Bind("suffix").Text(0) is var part && part.Text.Length > 0 && self.Text.EndsWith(part.Text, StringComparison.Ordinal)
            ? self.Slice(0, self.Text.Length - part.Text.Length)
            : self),
        ["find"] = Text((self, a) => Position(self, self.Text.IndexOf(a.Bind("sub").Text(0).Text, StringComparison.Ordinal))),
        ["rfind"] = Text((self, a) => Position(self, self.Text.LastIndexOf(a.Bind("sub").Text(0).Text, StringComparison.Ordinal))),
        ["index"] = Text((self, a) => Position(self, self.Text.IndexOf(a.Bind("sub").Text(0).Text, StringComparison.Ordinal)) is >= 0 and var at
            ? at
            : throw new TemplateFault("the text is not found")),
        ["count"] = Text((self, a) => (long)TextPieces.Split(self, a.Bind("sub").Text(0).Text, -1).Count - 1),
        ["join"] = (context, self, a) => TextPieces.Join((TemplateString)self, Python.Iterate(a.Bind("iterable").Required(0)), context, strict: true),
        ["format"] = (context, self, a) => TextFormat.Braces((TemplateString)self, a, context),
        ["isdigit"] = Text((self, _) => self.Text.Length > 0 && self.Text.All(char.IsDigit)),
        ["isnumeric"] = Text((self, _) => self.Text.Length > 0 && self.Text.All(char.IsNumber)),
        ["isalpha"] = Text((self, _) => self.Text.Length > 0 && self.Text.All(char.IsLetter)),
        ["isalnum"] = Text((self, _) => self.Text.Length > 0 && self.Text.All(char.IsLetterOrDigit)),
        ["isspace"] = Text((self, _) => self.Text.Length > 0 && self.Text.All(char.IsWhiteSpace)),
        ["isupper"] = Text((self, _) => self.Text.Any(char.IsUpper) && !self.Text.Any(char.IsLower)),
        ["islower"] = Text((self, _) => self.Text.Any(char.IsLower) && !self.Text.Any(char.IsUpper)),
    };

    /// <summary>A method that makes at most a copy of the string.</summary>
    private static Method Text(Func<TemplateString, Arguments, object?> body) => (context, self, arguments) =>
    {
        var text = (TemplateString)self;
        context.SpendText(text.Text.Length);
        return body(text, arguments);
    };

    public static TemplateString Strip(TemplateString self, BoundArguments arguments, bool left, bool right)
    {
        var characters = arguments.Get(0) is null ? null : arguments.Text(0).Text;
        var start = 0;
        var end = self.Text.Length;
        while (left && start < end && Goes(self.Text[start]))
        {
            start++;
        }

        while (right && end > start && Goes(self.Text[end - 1]))
        {
            end--;
        }

        return self.Slice(start, end - start);

        bool Goes(char c) => characters?.Contains(c) ?? char.IsWhiteSpace(c) || c is >= '\x1C' and <= '\x1F' && characters is null;
    }

    private static TemplateList Split(TemplateString self, BoundArguments arguments, bool fromRight)
    {
        var most = arguments.Int(1, -1);
        if (arguments.Get(0) is null)
        {
            return new TemplateList([.. TextPieces.Words(self, most, fromRight)]);
        }

        var separator = arguments.Text(0).Text;
        return separator.Length == 0
            ? throw new TemplateFault("an empty separator")
            : new TemplateList([.. fromRight ? TextPieces.SplitFromRight(self, separator, most) : TextPieces.Split(self, separator, most)]);
    }

    private static TemplateList Partition(TemplateString self, TemplateString separator, bool fromRight)
    {
        var length = separator.Text.Length;
        if (length == 0)
        {
            throw new TemplateFault("an empty separator");
        }

        var at = fromRight ? self.Text.LastIndexOf(separator.Text, StringComparison.Ordinal) : self.Text.IndexOf(separator.Text, StringComparison.Ordinal);
        return at >= 0
            ? TemplateList.Tuple(self.Slice(0, at), self.Slice(at, length), self.Slice(at + length))
            : fromRight ? TemplateList.Tuple(TemplateString.Empty, TemplateString.Empty, self)
            : TemplateList.Tuple(self, TemplateString.Empty, TemplateString.Empty);
    }

    private static IEnumerable<TemplateString> Affixes(Arguments arguments)
    {
        var bound = arguments.Bind("affix");
        return bound.Required(0) is TemplateList { IsTuple: true } tuple
            ? tuple.Items.Select(item => item as TemplateString ?? throw new TemplateFault($"{Python.TypeName(item)} where a string belongs"))
            : [bound.Text(0)];
    }

    // Python counts code points.
    private static long Position(TemplateString self, int unit) => unit <= 0 ? unit : self.Slice(0, unit).CodePoints;
}
