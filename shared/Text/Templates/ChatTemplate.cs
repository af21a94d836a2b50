using System.Text.Json;

namespace Loire.Text;

/// <summary>A chat template in the Jinja subset that published checkpoints use.</summary>
public sealed class ChatTemplate
{
    /// <exception cref="TemplateException">Not a template, or one that needs what is not supported.</exception>
    public static ChatTemplate Parse(string source, string name) => throw new NotImplementedException();

    public string Render(IReadOnlyDictionary<string, JsonElement> variables, TimeProvider? time = null) => throw new NotImplementedException();
}
