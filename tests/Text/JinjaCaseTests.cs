using System.Text.Json;

namespace Loire.Text.Tests;

/// <summary>Templates with what Jinja 3.1 itself makes of them under transformers' settings (jinja_cases.py).</summary>
public class JinjaCaseTests
{
    private static readonly JsonElement s_file =
        JsonDocument.Parse(File.ReadAllBytes(Path.Combine(AppContext.BaseDirectory, "jinja-cases.json"))).RootElement;

    public static TheoryData<string, string?> Cases()
    {
        var data = new TheoryData<string, string?>();
        foreach (var item in s_file.GetProperty("cases").EnumerateArray())
        {
            data.Add(item.GetProperty("template").GetString()!, item.TryGetProperty("expected", out var expected) ? expected.GetString() : null);
        }

        return data;
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void A_template_renders_as_Jinja_renders_it_or_fails_where_it_fails(string template, string? expected)
    {
        var variables = s_file.GetProperty("variables").EnumerateObject().ToDictionary(member => member.Name, member => member.Value);
        if (expected is null)
        {
            Assert.Throws<TemplateException>(() => ChatTemplate.Parse(template, "case").Render(variables));
        }
        else
        {
            Assert.Equal(expected, ChatTemplate.Parse(template, "case").Render(variables));
        }
    }
}
