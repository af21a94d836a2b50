namespace Loire.Text.Tests;

/// <summary>Chat formats from a template's source.</summary>
internal static class Formats
{
    public static ChatFormat Of(string template, params (string Name, string Token)[] specialTokens) => new(
        new Dictionary<string, ChatTemplate> { ["default"] = ChatTemplate.Parse(template, "template") },
        specialTokens.ToDictionary(token => token.Name, token => token.Token),
        TimeProvider.System);
}
