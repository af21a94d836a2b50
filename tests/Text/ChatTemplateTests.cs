using System.Text;
using System.Text.Json;

namespace Loire.Text.Tests;

public class ChatTemplateTests
{
    private static readonly Dictionary<string, JsonElement> s_none = [];

    [Theory]
    [InlineData("a\nb {% include 'secrets' %}", 2, "tag 'include'")]
    [InlineData("{% import 'x' as y %}", 1, "tag 'import'")]
    [InlineData("{% extends 'x' %}", 1, "tag 'extends'")]
    [InlineData("{% call f() %}{% endcall %}", 1, "tag 'call'")]
    [InlineData("{{ 1 }}\n\n{{ 'x' | xmlattr }}", 3, "filter 'xmlattr'")]
    [InlineData("{{ 1 is prime }}", 1, "test 'prime'")]
    [InlineData("\n{% if x %}", 2, "syntax")]
    [InlineData("{{ f(*a) }}", 1, "call")]
    public void What_is_not_supported_is_refused_with_line_and_construct(string source, int line, string construct)
    {
        var error = Assert.Throws<TemplateException>(() => ChatTemplate.Parse(source, "chat_template"));
        Assert.Equal((line, construct), (error.Line, error.Construct));
        Assert.StartsWith($"chat_template, line {line}: {construct}", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_failure_while_rendering_names_its_line_too()
    {
        var error = Assert.Throws<TemplateException>(() => ChatTemplate.Parse("a\n\n{{ nope.role }}", "chat_template").Render(s_none));
        Assert.Equal((3, "member 'role'", "'nope' is undefined"), (error.Line, error.Construct, error.Reason));
        Assert.False(error.RaisedByTemplate);
    }

    [Fact]
    public void What_the_template_raises_is_told_apart()
    {
        var error = Assert.Throws<TemplateException>(() => ChatTemplate.Parse("{{ raise_exception('roles must alternate') }}", "t").Render(s_none));
        Assert.True(error.RaisedByTemplate);
        Assert.Equal("roles must alternate", error.Reason);
    }

    [Theory]
    [InlineData("{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}")]
    [InlineData("{% set ns = namespace(s='x') %}{% for a in range(60) %}{% set ns.s = ns.s + ns.s %}{% endfor %}")]
    [InlineData("{% set ns = namespace(s=[1]) %}{% for a in range(60) %}{% set ns.s = ns.s + ns.s %}{% endfor %}")]
    [InlineData("{% set ns = namespace(s=[]) %}{% for a in range(60) %}{% set ns.s = [ns.s, ns.s] %}{% endfor %}{{ ns.s }}")]
    [InlineData("{% set ns = namespace(s=[], t=[]) %}{% for a in range(60) %}{% set ns.s = [ns.s, ns.s] %}{% set ns.t = [ns.t, ns.t] %}{% endfor %}{{ ns.s == ns.t }}")]
    [InlineData("{% set ns = namespace(s={}) %}{% for a in range(60) %}{% set ns.s = {'a': ns.s, 'b': ns.s} %}{% endfor %}{{ ns.s | tojson }}")]
    [InlineData("{% set l = [] %}{% set _ = l.append(l) %}{{ l }}")]
    [InlineData("{% set l = [1] %}{% for x in l %}{% set _ = l.append(x) %}{% endfor %}")]
    [InlineData("{% macro f(n) %}{{ f(n + 1) }}{% endmacro %}{{ f(0) }}")]
    [InlineData("{% macro f(n) %}{{ f(n) }}{{ f(n) }}{% endmacro %}{{ f(0) }}")]
    [InlineData("{{ 'x' * 100000000000 }}")]
    [InlineData("{{ 'x' * 1000000000 }}")]
    [InlineData("{{ [0] * 1000000000 }}")]
    [InlineData("{{ 9 ** 9 ** 9 ** 9 ** 9 }}")]
    [InlineData("{{ range(1000000000) }}")]
    [InlineData("{{ ('x' * 10000000) ~ ('x' * 10000000) }}")]
    [InlineData("{% for i in range(100) %}{{ 'x' * 1000000 }}{% endfor %}")]
    [InlineData("{% set ns = namespace(s='ab') %}{% for a in range(30) %}{% set ns.s = ns.s | replace('a', ns.s) %}{% endfor %}")]
    [InlineData("{% set ns = namespace(s='ab') %}{% for a in range(60) %}{% set ns.s = ns.s.join([ns.s, ns.s]) %}{% endfor %}")]
    [InlineData("{{ '%s%s' | format('x' * 10000000, 'x' * 10000000) }}")]
    [InlineData("{% set s = 'x' * 8000000 %}{% set t = 'x' * 8000000 %}{% for i in range(100000) %}{% set n = s | length %}{% endfor %}")]
    [InlineData("{% set s = 'x' * 8000000 %}{% set t = 'x' * 8000000 %}{% for i in range(100000) %}{% if 'y' in s %}{% endif %}{% endfor %}")]
    [InlineData("{% set s = 'x' * 8000000 %}{% set t = 'x' * 8000000 %}{% for i in range(100000) %}{% set c = s[5] %}{% endfor %}")]
    [InlineData("{% set s = 'x' * 8000000 %}{% set t = 'x' * 8000000 %}{% for i in range(100000) %}{% if s is upper %}{% endif %}{% endfor %}")]
    [InlineData("{% set s = 'x' * 8000000 %}{% set t = 'x' * 8000000 %}{% for i in range(100000) %}{% if s == t %}{% endif %}{% endfor %}")]
    [InlineData("{% set s = 'x' * 8000000 %}{% set t = 'x' * 8000000 %}{% for i in range(100000) %}{% if s < t %}{% endif %}{% endfor %}")]
    [InlineData("{% set s = 'x' * 8000000 %}{% set t = 'x' * 8000000 %}{% for i in range(100000) %}{% set n = s | format %}{% endfor %}")]
    [InlineData("{% set s = 'x' * 8000000 %}{% set t = 'x' * 8000000 %}{% for i in range(100000) %}{% set n = s.format() %}{% endfor %}")]
    [InlineData("{% for c in 'x' * 8000000 %}{% endfor %}")]
    [InlineData("{% set l = [0] * 1000000 %}{% for i in range(100000) %}{% if 1 in l %}{% endif %}{% endfor %}")]
    public void No_template_runs_or_grows_for_ever(string source)
    {
        Assert.Throws<TemplateException>(() => ChatTemplate.Parse(source, "hostile").Render(s_none));
    }

    [Theory]
    [InlineData("(", 100_000)]
    [InlineData("{{ [", 100_000)]
    [InlineData("{{ not ", 100_000)]
    [InlineData("{{ -", 100_000)]
    [InlineData("{% if x %}", 100_000)]
    [InlineData("{{ x if ", 10_000)]
    [InlineData("{% set (", 10_000)]
    [InlineData("{{ a + ", 1_000)]
    public void Deep_nesting_is_an_error_and_no_crash(string part, int times)
    {
        var source = (part[0] == '(' ? "{{ " : "") + string.Concat(Enumerable.Repeat(part[0] == '{' && part[1] == '{' ? part[2..] : part, times));
        source = part.StartsWith("{{", StringComparison.Ordinal) ? "{{" + source : source;
        Assert.Throws<TemplateException>(() => ChatTemplate.Parse(source, "deep"));
    }

    [Fact]
    public void Long_chains_render_within_the_stack()
    {
        var sum = "{{ 0" + string.Concat(Enumerable.Repeat(" + 1", 1500)) + " }}";
        Assert.Equal("1500", ChatTemplate.Parse(sum, "chain").Render(s_none));
        var conditions = "{% if 0 %}" + string.Concat(Enumerable.Repeat("{% elif 0 %}", 3000)) + "{% else %}x{% endif %}";
        Assert.Equal("x", ChatTemplate.Parse(conditions, "chain").Render(s_none));
    }

    [Fact]
    public void Random_soup_parses_and_renders_or_throws_a_template_exception()
    {
        string[] parts =
        [
            "{{", "}}", "{%", "%}", "{#", "#}", "-", "+", " ", "\n", "if", "else", "endif", "for", "in", "endfor", "set", "endset", "macro", "endmacro", "x", "m", "messages",
            "loop", ".", "index", "role", "content", "(", ")", "[", "]", "{", "}", ":", ",", "|", "tojson", "length", "trim", "join", "map", "sort", "is", "not", "defined", "string",
            "'a'", "\"b\"", "1", "0", "2.5", "~", "*", "**", "//", "/", "%", "==", "<", "and", "or", "=", "namespace", "range", "items", "split", "none", "true", "break", "continue",
            "indent", "batch", "round", "int", "format", "replace", "'%d'", "raise_exception", "strftime_now", "dictsort", "unique", "first", "-1", "1e999", "99999999999999999999",
        ];
        var variables = new Dictionary<string, JsonElement>
        {
            ["messages"] = JsonSerializer.SerializeToElement(new[] { new { role = "user", content = "hi" } }),
            ["x"] = JsonSerializer.SerializeToElement(3),
        };
        var random = new Random(11);
        var rendered = 0;
        for (var round = 0; round < 60_000; round++)
        {
            var source = new StringBuilder();
            var inside = round % 2 == 0;
            source.Append(inside ? "{{ " : "");
            for (var i = random.Next(1, 14); i > 0; i--)
            {
                source.Append(parts[random.Next(parts.Length)]).Append(random.Next(2) == 0 ? " " : "");
            }

            source.Append(inside ? " }}" : "");
            try
            {
                ChatTemplate.Parse(source.ToString(), "soup").Render(variables);
                rendered++;
            }
            catch (TemplateException)
            {
                // the one way to fail
            }
        }

        Assert.True(rendered > 100, $"Only {rendered} rendered: the soup is too thin to test rendering.");
    }

    [Fact]
    public void Published_templates_with_random_damage_fail_only_as_templates()
    {
        var random = new Random(12);
        var messages = JsonSerializer.SerializeToElement(new object[] { new { role = "user", content = "hi" }, new { role = "assistant", content = "</think>yes" } });
        var variables = new Dictionary<string, JsonElement> { ["messages"] = messages, ["add_generation_prompt"] = JsonSerializer.SerializeToElement(true) };
        foreach (var source in PublishedStyles.All)
        {
            for (var round = 0; round < 400; round++)
            {
                var damaged = source.ToCharArray();
                for (var i = random.Next(1, 5); i > 0; i--)
                {
                    damaged[random.Next(damaged.Length)] = random.Next(2) == 0 ? (char)random.Next(32, 127) : damaged[random.Next(damaged.Length)];
                }

                try
                {
                    ChatTemplate.Parse(new string(damaged), "damaged").Render(variables);
                }
                catch (TemplateException)
                {
                    // the one way to fail
                }
            }
        }
    }

    [Fact]
    public void The_clock_is_the_one_that_is_given()
    {
        var template = ChatTemplate.Parse("{{ strftime_now('%d %b %Y, %A %H:%M:%S %p %j %y-%m %-d/%e %% %B %a %I') }}", "t");
        Assert.Equal("05 Mar 2026, Thursday 07:08:09 AM 064 26-03 5/ 5 % March Thu 07", template.Render(s_none, new FixedTime()));
    }

    [Fact]
    public async Task One_template_renders_on_many_threads()
    {
        var template = ChatTemplate.Parse("{% set t | upper %}{{ x }}{% endset %}{{ t }}{% for i in range(3) %}{{ loop.index }}{% endfor %}", "t");
        await Task.WhenAll(Enumerable.Range(0, 8).Select(n => Task.Run(() =>
        {
            var variables = new Dictionary<string, JsonElement> { ["x"] = JsonSerializer.SerializeToElement($"a{n}") };
            for (var i = 0; i < 500; i++)
            {
                Assert.Equal($"A{n}123", template.Render(variables));
            }
        })));
    }

    private sealed class FixedTime : TimeProvider
    {
        public override TimeZoneInfo LocalTimeZone => TimeZoneInfo.Utc;

        public override DateTimeOffset GetUtcNow() => new(2026, 3, 5, 7, 8, 9, TimeSpan.Zero);
    }
}
