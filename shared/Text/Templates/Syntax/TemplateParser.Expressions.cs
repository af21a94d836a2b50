using System.Globalization;
using System.Numerics;

namespace Loire.Text;

/// <remarks>
/// Weakest first: if-else, or, and, not, comparison, + -, ~, * / // %, **, unary + -, then what follows a value:
/// members, subscripts, calls, filters and tests.
/// </remarks>
internal sealed partial class TemplateParser
{
    private Expression TupleOrExpression(bool withCondition = true)
    {
        var line = Current.Line;
        var first = withCondition ? Expression() : Or();
        if (!IsOperator(","))
        {
            return first;
        }

        var items = new List<Expression> { first };
        while (TryOperator(",") && !EndsTuple())
        {
            items.Add(withCondition ? Expression() : Or());
        }

        return new ListExpression([.. items], isTuple: true, line);
    }

    private bool EndsTuple() =>
        Current.Kind is TokenKind.BlockEnd or TokenKind.OutputEnd or TokenKind.End || IsOperator(")") || IsName("in") || IsName("if");

    private Expression Expression()
    {
        Enter();
        var line = Current.Line;
        var value = Or();
        while (TryName("if"))
        {
            var condition = Or();
            var otherwise = TryName("else") ? Expression() : null;
            value = new ConditionExpression(condition, value, otherwise, line);
        }

        _depth--;
        return value;
    }

    private Expression Or()
    {
        var left = And();
        while (IsName("or"))
        {
            var line = Next().Line;
            left = new LogicExpression(left, And(), isAnd: false, line);
        }

        return left;
    }

    private Expression And()
    {
        var left = Not();
        while (IsName("and"))
        {
            var line = Next().Line;
            left = new LogicExpression(left, Not(), isAnd: true, line);
        }

        return left;
    }

    private Expression Not()
    {
        if (!IsName("not") || (Peek(1).Kind == TokenKind.Name && Peek(1).Text == "in"))
        {
            return Compare();
        }

        Enter();
        var line = Next().Line;
        var operand = Not();
        _depth--;
        return new NotExpression(operand, line);
    }

    private Expression Compare()
    {
        var line = Current.Line;
        var first = Sum();
        List<(string, Expression)>? rest = null;
        while (TryComparison(out var comparison))
        {
            (rest ??= []).Add((comparison, Sum()));
        }

        return rest is null ? first : new CompareExpression(first, [.. rest], line);
    }

    private bool TryComparison(out string comparison)
    {
        comparison = Current.Text;
        if (Current.Kind == TokenKind.Operator && comparison is "==" or "!=" or "<" or "<=" or ">" or ">=")
        {
            Next();
            return true;
        }

        if (IsName("not") && Peek(1) is { Kind: TokenKind.Name, Text: "in" })
        {
            _at += 2;
            comparison = "not in";
            return true;
        }

        return TryName("in");
    }

    private Expression Sum() => Binary(Concat, "+", "-");

    private Expression Concat()
    {
        var line = Current.Line;
        var first = Product();
        if (!IsOperator("~"))
        {
            return first;
        }

        var parts = new List<Expression> { first };
        while (TryOperator("~"))
        {
            parts.Add(Product());
        }

        return new ConcatExpression([.. parts], line);
    }

    private Expression Product() => Binary(Power, "*", "/", "//", "%");

    private Expression Power() => Binary(() => Unary(withFilters: true), "**");

    private Expression Binary(Func<Expression> operand, params ReadOnlySpan<string> operators)
    {
        var left = operand();
        var chained = 0;
        while (Current.Kind == TokenKind.Operator && operators.Contains(Current.Text))
        {
            if (++chained > 10 * MaxDepth)
            {
                throw Bad("nesting", $"more than {10 * MaxDepth} operators in a row");
            }

            var token = Next();
            left = new BinaryExpression(token.Text, left, operand(), token.Line);
        }

        return left;
    }

    private Expression Unary(bool withFilters)
    {
        Enter();
        var token = Current;
        Expression value;
        if (TryOperator("-") || TryOperator("+"))
        {
            value = new SignExpression(token.Text == "-", Unary(withFilters: false), token.Line);
        }
        else
        {
            value = Postfix(Primary());
        }

        if (withFilters)
        {
            value = FiltersAndTests(value);
        }

        _depth--;
        return value;
    }

    private Expression Primary()
    {
        var token = Next();
        switch (token.Kind)
        {
            case TokenKind.Name:
                return Name(token);
            case TokenKind.Text:
                var text = token.Text;
                while (Current.Kind == TokenKind.Text)
                {
                    text += Next().Text;
                }

                return new ConstantExpression(new TemplateString(text), token.Line);
            case TokenKind.Integer:
                return new ConstantExpression(Integer(token), token.Line);
            case TokenKind.Float:
                return new ConstantExpression(double.Parse(token.Text, CultureInfo.InvariantCulture), token.Line);
            case TokenKind.Operator when token.Text == "(":
                if (TryOperator(")"))
                {
                    return new ListExpression([], isTuple: true, token.Line);
                }

                var inner = TupleOrExpression();
                ExpectOperator(")");
                return inner;
            case TokenKind.Operator when token.Text == "[":
                return new ListExpression([.. Items("]", Expression)], isTuple: false, token.Line);
            case TokenKind.Operator when token.Text == "{":
                return new DictExpression([.. Items("}", Entry)], token.Line);
            default:
                _at -= token.Kind == TokenKind.End ? 0 : 1;
                throw Bad("syntax", $"expected an expression, found {token}");
        }
    }

    private Expression Name(Token token)
    {
        foreach (var names in _macroNames)
        {
            names.Add(token.Text);
        }

        return token.Text switch
        {
            "true" or "True" => new ConstantExpression(true, token.Line),
            "false" or "False" => new ConstantExpression(false, token.Line),
            "none" or "None" => new ConstantExpression(null, token.Line),
            "in" or "is" or "if" or "else" or "and" or "or" or "not" => throw new TemplateException(_name, token.Line, "syntax", $"expected an expression, found '{token.Text}'"),
            _ => new NameExpression(token.Text, token.Line),
        };
    }

    private object Integer(Token token)
    {
        const int maxDigits = 300;
        var text = token.Text;
        var digits = text.Length > 2 && !char.IsAsciiDigit(text[1]) ? text[2..] : text;
        var radix = digits.Length == text.Length ? 10 : char.ToLowerInvariant(text[1]) switch { 'x' => 16, 'o' => 8, _ => 2 };
        var value = BigInteger.Zero;
        foreach (var c in digits.Length <= maxDigits ? digits : throw Bad("number", $"more than {maxDigits} digits"))
        {
            var digit = char.IsAsciiDigit(c) ? c - '0' : char.ToLowerInvariant(c) - 'a' + 10;
            value = digit < radix ? (value * radix) + digit : throw Bad("number", $"'{text}' is none");
        }

        return Python.Narrow(value);
    }

    private List<T> Items<T>(string close, Func<T> item)
    {
        var items = new List<T>();
        while (!TryOperator(close))
        {
            if (items.Count > 0)
            {
                ExpectOperator(",");
                if (TryOperator(close))
                {
                    break;
                }
            }

            items.Add(item());
        }

        return items;
    }

    private (Expression Key, Expression Value) Entry()
    {
        var key = Expression();
        ExpectOperator(":");
        return (key, Expression());
    }

    private Expression Postfix(Expression value)
    {
        var links = 0;
        while (true)
        {
            if (++links > 10 * MaxDepth)
            {
                throw Bad("nesting", $"more than {10 * MaxDepth} members and calls in a row");
            }

            var token = Current;
            if (TryOperator("."))
            {
                value = Member(value, token.Line);
            }
            else if (TryOperator("["))
            {
                value = Subscript(value, token.Line);
            }
            else if (TryOperator("("))
            {
                var (positional, named) = CallArguments();
                value = new CallExpression(value, positional, named, token.Line);
            }
            else
            {
                return value;
            }
        }
    }

    private Expression Member(Expression value, int line)
    {
        var token = Next();
        return token.Kind switch
        {
            TokenKind.Name => new MemberExpression(value, token.Text, line),
            TokenKind.Integer => new IndexExpression(value, new ConstantExpression(Integer(token), line), line),
            _ => throw Bad("syntax", $"expected a member, found {token}"),
        };
    }

    private Expression Subscript(Expression value, int line)
    {
        var start = IsOperator(":") ? null : Expression();
        if (TryOperator("]"))
        {
            return new IndexExpression(value, start!, line); // with no ':' it was read
        }

        ExpectOperator(":");
        var stop = IsOperator(":") || IsOperator("]") ? null : Expression();
        var step = TryOperator(":") && !IsOperator("]") ? Expression() : null;
        ExpectOperator("]");
        return new SliceExpression(value, start, stop, step, line);
    }

    private (Expression[] Positional, (string, Expression)[] Named) CallArguments()
    {
        var positional = new List<Expression>();
        var named = new List<(string, Expression)>();
        while (!TryOperator(")"))
        {
            if (positional.Count + named.Count > 0)
            {
                ExpectOperator(",");
                if (TryOperator(")"))
                {
                    break;
                }
            }

            if (IsOperator("*") || IsOperator("**"))
            {
                throw Bad("call", $"'{Current.Text}' arguments are not supported");
            }

            if (Current.Kind == TokenKind.Name && Peek(1) is { Kind: TokenKind.Operator, Text: "=" })
            {
                var name = Next().Text;
                Next();
                if (named.Exists(argument => argument.Item1 == name))
                {
                    throw Bad("call", $"argument '{name}' twice");
                }

                named.Add((name, Expression()));
            }
            else if (named.Count > 0)
            {
                throw Bad("call", "a positional argument after a named one");
            }
            else
            {
                positional.Add(Expression());
            }
        }

        return ([.. positional], [.. named]);
    }

    private Expression FiltersAndTests(Expression value)
    {
        var links = 0;
        while (true)
        {
            if (++links > 10 * MaxDepth)
            {
                throw Bad("nesting", $"more than {10 * MaxDepth} filters in a row");
            }

            if (IsOperator("|"))
            {
                value = FilterOf(value);
            }
            else if (IsName("is"))
            {
                value = TestOf(value);
            }
            else if (IsOperator("("))
            {
                value = Postfix(value);
            }
            else
            {
                return value;
            }
        }
    }

    private FilterExpression FilterOf(Expression value)
    {
        ExpectOperator("|");
        return NamedFilter(value);
    }

    private FilterExpression NamedFilter(Expression value)
    {
        var line = Current.Line;
        var name = ExpectName();
        if (!Filters.All.TryGetValue(name, out var filter))
        {
            throw new TemplateException(_name, line, $"filter '{name}'", "it is not supported");
        }

        var (positional, named) = TryOperator("(") ? CallArguments() : ([], []);
        return new FilterExpression(name, filter, value, positional, named, line);
    }

    private Expression TestOf(Expression value)
    {
        var line = Next().Line;
        var negated = TryName("not");
        var name = Current.Kind == TokenKind.Operator ? Next().Text : ExpectName();
        if (!Tests.All.TryGetValue(name, out var test))
        {
            throw new TemplateException(_name, line, $"test '{name}'", "it is not supported");
        }

        Expression[] positional = [];
        if (TryOperator("("))
        {
            (positional, var named) = CallArguments();
            if (named.Length > 0)
            {
                throw Bad($"test '{name}'", "named arguments are not supported");
            }
        }
        else if (BeginsTestArgument())
        {
            positional = [Postfix(Primary())];
        }

        var result = new TestExpression(name, test, value, positional, line);
        return negated ? new NotExpression(result, line) : result;
    }

    private bool BeginsTestArgument() => Current.Kind switch
    {
        TokenKind.Text or TokenKind.Integer or TokenKind.Float => true,
        TokenKind.Name => Current.Text is not ("else" or "or" or "and" or "is" or "if" or "in" or "not"),
        TokenKind.Operator => Current.Text is "[" or "{",
        _ => false,
    };
}
