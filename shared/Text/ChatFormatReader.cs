using System.Text.Json;

namespace Loire.Text;

/// <summary>Reads a model folder's template and special tokens.</summary>
internal static class ChatFormatReader
{
    public const string DefaultTemplate = "default";
    public const string ToolTemplate = "tool_use";

    private const string ConfigFile = "tokenizer_config.json";
    private const string TemplateFile = "chat_template.jinja";
    private const int MaxConfigBytes = 64 << 20; // some list each added token once more
    private const int MaxDepth = 32;

    public static ChatFormat Read(string folder, TimeProvider time)
    {
        var configPath = Path.Combine(folder, ConfigFile);
        using var config = File.Exists(configPath) ? ParseConfig(configPath) : null;
        var root = config is null ? default : new FileNode(config.RootElement, ConfigFile, "");
        var templatePath = Path.Combine(folder, TemplateFile);
        try
        {
            var templates = File.Exists(templatePath)
                ? new Dictionary<string, ChatTemplate> { [DefaultTemplate] = ChatTemplate.Parse(ReadBounded(templatePath), TemplateFile) }
                : config is null ? [] : ReadTemplates(root["chat_template"]);
            return templates.ContainsKey(DefaultTemplate)
                ? new ChatFormat(templates, config is null ? new Dictionary<string, string>() : ReadSpecialTokens(root), time)
                : throw new TemplateException(folder, 0, "chat_template", $"none found; put one into {ConfigFile} or {TemplateFile}");
        }
        catch (InvalidOperationException error)
        {
            throw new TokenizerFormatException(ConfigFile, "a string", error.Message, "valid Unicode", error);
        }
    }

    private static JsonDocument ParseConfig(string path)
    {
        try
        {
            using var file = OpenBounded(path);
            return JsonDocument.Parse(file, new JsonDocumentOptions { MaxDepth = MaxDepth });
        }
        catch (JsonException error)
        {
            throw new TokenizerFormatException(ConfigFile, "the file", $"invalid JSON ({error.Message})", $"JSON at most {MaxDepth} deep", error);
        }
    }

    private static string ReadBounded(string path)
    {
        using var reader = new StreamReader(OpenBounded(path));
        return reader.ReadToEnd();
    }

    private static FileStream OpenBounded(string path)
    {
        var file = File.OpenRead(path);
        if (file.Length <= MaxConfigBytes)
        {
            return file;
        }

        file.Dispose();
        throw new TokenizerFormatException(Path.GetFileName(path), "the file", $"{file.Name} is too long", $"at most {MaxConfigBytes} bytes");
    }

    private static Dictionary<string, ChatTemplate> ReadTemplates(FileNode node)
    {
        if (node.IsNull)
        {
            return [];
        }

        if (node.IsString)
        {
            return new() { [DefaultTemplate] = ChatTemplate.Parse(node.Text(), "chat_template") };
        }

        var templates = new Dictionary<string, ChatTemplate>(StringComparer.Ordinal);
        foreach (var named in node.Items())
        {
            var name = named["name"].Text();
            templates[name] = ChatTemplate.Parse(named["template"].Text(), $"chat_template '{name}'");
        }

        return templates;
    }

    /// <summary>Members such as <c>bos_token</c>, written as a string or as an object with its <c>content</c>.</summary>
    private static Dictionary<string, string> ReadSpecialTokens(FileNode root)
    {
        var tokens = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var member in root.Members())
        {
            if (!member.Name.EndsWith("_token", StringComparison.Ordinal))
            {
                continue;
            }

            var node = root[member.Name];
            if (node.IsString)
            {
                tokens[member.Name] = node.Text();
            }
            else if (node.Element.ValueKind == JsonValueKind.Object && node["content"].IsString)
            {
                tokens[member.Name] = node["content"].Text();
            }
        }

        return tokens;
    }
}
