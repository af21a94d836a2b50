using System.Runtime.CompilerServices;

namespace Loire.Text;

/// <summary>Builds the tree of a template: this part reads statements, the other expressions.</summary>
internal sealed partial class TemplateParser
{
    private const int MaxDepth = 200;

    private readonly List<Token> _tokens;
    private readonly string _name;
    private readonly Stack<HashSet<string>> _macroNames = new();
    private int _at;
    private int _depth;
    private int _loops;

    private TemplateParser(List<Token> tokens, string name)
    {
        _tokens = tokens;
        _name = name;
    }

    private Token Current => _tokens[_at];

    public static Block Parse(string source, string name)
    {
        var parser = new TemplateParser(TemplateLexer.Read(source, name), name);
        var body = parser.Body("the template");
        return parser.Current.Kind == TokenKind.End
            ? body
            : throw parser.Bad($"tag '{parser.Peek(1).Text}'", "nothing is open that it could close");
    }

    private Token Peek(int ahead) => _tokens[Math.Min(_at + ahead, _tokens.Count - 1)];

    private Token Next()
    {
        var token = Current;
        if (token.Kind != TokenKind.End)
        {
            _at++;
        }

        return token;
    }

    private bool IsName(string name) => Current.Kind == TokenKind.Name && Current.Text == name;

    private bool IsOperator(string text) => Current.Kind == TokenKind.Operator && Current.Text == text;

    private bool TryOperator(string text)
    {
        var matches = IsOperator(text);
        _at += matches ? 1 : 0;
        return matches;
    }

    private bool TryName(string name)
    {
        var matches = IsName(name);
        _at += matches ? 1 : 0;
        return matches;
    }

    private void ExpectOperator(string text)
    {
        if (!TryOperator(text))
        {
            throw Bad("syntax", $"expected '{text}', found {Current}");
        }
    }

    private void Expect(TokenKind kind, string what)
    {
        if (Next() is var token && token.Kind != kind)
        {
            _at--;
            throw Bad("syntax", $"expected {what}, found {token}");
        }
    }

    private string ExpectName() => Current.Kind == TokenKind.Name
        ? Next().Text
        : throw Bad("syntax", $"expected a name, found {Current}");

    private TemplateException Bad(string construct, string reason) => new(_name, Current.Line, construct, reason);

    private void Enter()
    {
        if (++_depth > MaxDepth || !RuntimeHelpers.TryEnsureSufficientExecutionStack())
        {
            throw Bad("nesting", $"deeper than {MaxDepth}");
        }
    }

    /// <summary>Everything up to the end or one of the closing tags, which is left to the caller.</summary>
    private Block Body(string opened, params string[] closing)
    {
        Enter();
        var nodes = new List<Statement>();
        while (true)
        {
            var token = Current;
            switch (token.Kind)
            {
                case TokenKind.Data:
                    nodes.Add(new DataStatement(Next().Text));
                    continue;
                case TokenKind.OutputBegin:
                    Next();
                    nodes.Add(new OutputStatement(TupleOrExpression(), token.Line));
                    Expect(TokenKind.OutputEnd, "'}}'");
                    continue;
                case TokenKind.BlockBegin when Peek(1).Kind == TokenKind.Name && !closing.Contains(Peek(1).Text) && !IsClosing(Peek(1).Text):
                    Next();
                    nodes.Add(Tag());
                    continue;
                case TokenKind.BlockBegin when Peek(1).Kind != TokenKind.Name:
                    Next();
                    throw Bad("syntax", $"expected a tag, found {Current}");
            }

            if (token.Kind == TokenKind.End && closing.Length > 0)
            {
                throw Bad("syntax", $"{opened} is not closed; expected '{string.Join("' or '", closing)}'");
            }

            if (token.Kind == TokenKind.BlockBegin && closing.Length > 0 && !closing.Contains(Peek(1).Text))
            {
                throw Bad($"tag '{Peek(1).Text}'", $"inside {opened}; expected '{string.Join("' or '", closing)}'");
            }

            _depth--;
            return new Block([.. nodes]);
        }
    }

    private static bool IsClosing(string tag) => tag is "else" or "elif" || tag.StartsWith("end", StringComparison.Ordinal);

    private Statement Tag()
    {
        var token = Next();
        var statement = token.Text switch
        {
            "for" => For(token.Line),
            "if" => If(token.Line),
            "set" => Set(token.Line),
            "macro" => Macro(token.Line),
            "with" => With(token.Line),
            "filter" => Filter(token.Line),
            "generation" => Generation(),
            "break" or "continue" => Leave(token),
            _ => throw new TemplateException(_name, token.Line, $"tag '{token.Text}'", "it is not supported; there are for, if, set, macro, with, filter, generation, raw, break and continue"),
        };
        Expect(TokenKind.BlockEnd, "'%}'");
        return statement;
    }

    /// <summary>The body of a tag, with the tag's own end and the closing tag's beginning consumed.</summary>
    private Block Inner(string opened, params string[] closing)
    {
        Expect(TokenKind.BlockEnd, "'%}'");
        var body = Body(opened, closing);
        Next();
        return body;
    }

    private BreakStatement Leave(Token token) => _loops > 0
        ? new BreakStatement(token.Text == "break" ? Flow.Break : Flow.Continue)
        : throw new TemplateException(_name, token.Line, $"tag '{token.Text}'", "it stands in no loop");

    private Block Generation()
    {
        var body = Inner("generation", "endgeneration");
        Next();
        return body;
    }

    private ForStatement For(int line)
    {
        var target = Target(allowMembers: false);
        if (!TryName("in"))
        {
            throw Bad("tag 'for'", $"expected 'in', found {Current}");
        }

        var items = TupleOrExpression(withCondition: false);
        var filter = TryName("if") ? Expression() : null;
        if (IsName("recursive"))
        {
            throw Bad("tag 'for'", "recursive loops are not supported");
        }

        _loops++;
        var body = Inner("for", "endfor", "else");
        _loops--;
        Block? otherwise = null;
        if (Next().Text == "else")
        {
            otherwise = Inner("for", "endfor");
            Next();
        }

        return new ForStatement(target, items, filter, body, otherwise, line);
    }

    private IfStatement If(int line)
    {
        var branches = new List<(Expression Condition, Block Body)>();
        Block? otherwise = null;
        var condition = TupleOrExpression();
        while (true)
        {
            branches.Add((condition, Inner("if", "elif", "else", "endif")));
            var tag = Next().Text;
            if (tag == "elif")
            {
                condition = TupleOrExpression();
                continue;
            }

            if (tag == "else")
            {
                otherwise = Inner("if", "endif");
                Next();
            }

            return new IfStatement([.. branches], otherwise, line);
        }
    }

    private Statement Set(int line)
    {
        var target = Target(allowMembers: true);
        if (TryOperator("="))
        {
            return new SetStatement(target, TupleOrExpression(), line);
        }

        Expression filtered = new HeldExpression(line);
        while (IsOperator("|"))
        {
            filtered = FilterOf(filtered);
        }

        var body = Inner("set", "endset");
        Next();
        return new SetBlockStatement(target, filtered, body, line);
    }

    private MacroStatement Macro(int line)
    {
        var name = ExpectName();
        var (parameters, defaults) = (new List<string>(), new List<Expression?>());
        ExpectOperator("(");
        while (!IsOperator(")"))
        {
            if (parameters.Count > 0)
            {
                ExpectOperator(",");
            }

            parameters.Add(ExpectName());
            defaults.Add(TryOperator("=") ? Expression() : null);
        }

        Next();
        var (loops, names) = (_loops, new HashSet<string>());
        _macroNames.Push(names);
        _loops = 0;
        var body = Inner("macro", "endmacro");
        _loops = loops;
        _macroNames.Pop();
        Next();
        if (names.Contains("caller"))
        {
            throw new TemplateException(_name, line, $"macro '{name}'", "'caller' is not supported");
        }

        return new MacroStatement(name, new MacroShape([.. parameters], [.. defaults], body, names.Contains("varargs"), names.Contains("kwargs")), line);
    }

    private WithStatement With(int line)
    {
        var bindings = new List<(AssignmentTarget, Expression)>();
        while (Current.Kind != TokenKind.BlockEnd)
        {
            if (bindings.Count > 0)
            {
                ExpectOperator(",");
            }

            var target = Target(allowMembers: false);
            ExpectOperator("=");
            bindings.Add((target, Expression()));
        }

        var body = Inner("with", "endwith");
        Next();
        return new WithStatement([.. bindings], body, line);
    }

    private FilterStatement Filter(int line)
    {
        Expression filtered = NamedFilter(new HeldExpression(line));
        while (IsOperator("|"))
        {
            filtered = FilterOf(filtered);
        }

        var body = Inner("filter", "endfilter");
        Next();
        return new FilterStatement(filtered, body, line);
    }

    private AssignmentTarget Target(bool allowMembers)
    {
        var first = SingleTarget(allowMembers);
        if (!IsOperator(","))
        {
            return first;
        }

        var parts = new List<AssignmentTarget> { first };
        while (TryOperator(",") && (IsOperator("(") || (Current.Kind == TokenKind.Name && !IsName("in"))))
        {
            parts.Add(SingleTarget(allowMembers));
        }

        return new TupleTarget([.. parts]);
    }

    private AssignmentTarget SingleTarget(bool allowMembers)
    {
        if (TryOperator("("))
        {
            Enter();
            var inner = Target(allowMembers: false);
            _depth--;
            ExpectOperator(")");
            return inner;
        }

        var name = ExpectName();
        if (name is "true" or "false" or "none" or "True" or "False" or "None")
        {
            throw Bad("assignment", $"'{name}' cannot be set");
        }

        return allowMembers && TryOperator(".") ? new MemberTarget(name, ExpectName()) : new NameTarget(name);
    }
}
