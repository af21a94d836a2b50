using System.Text.Json;

namespace Loire.Text.Tests;

/// <summary>What the published manners of template make of conversations, worked out by hand.</summary>
public class PublishedStyleTests
{
    private static readonly JsonElement s_tools = Json("""
        [{"type": "function", "function": {"name": "weather", "description": "Tells \"it\".", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}}]
        """);

    private static readonly JsonElement s_calls = Json("""
        [{"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": {"city": "Orléans", "days": 2}}}]
        """);

    [Fact]
    public void Qwen_takes_past_thoughts_out_and_keeps_those_of_the_running_turn()
    {
        ChatMessage[] messages =
        [
            new("system", "Be brief."),
            new("user", "Hi"),
            new("assistant", "<think>\nA greeting.\n</think>\n\nHello!"),
            new("user", "Weather?"),
            new("assistant", "") { ReasoningContent = "Ask the tool.", ToolCalls = s_calls },
            new("tool", "sunny"),
            new("tool", "windy"),
        ];
        Assert.Equal(
            """
            <|im_start|>system
            Be brief.

            # Tools

            <tools>
            {"type": "function", "function": {"name": "weather", "description": "Tells \"it\".", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}}
            </tools><|im_end|>
            <|im_start|>user
            Hi<|im_end|>
            <|im_start|>assistant
            Hello!<|im_end|>
            <|im_start|>user
            Weather?<|im_end|>
            <|im_start|>assistant
            <think>
            Ask the tool.
            </think>

            <tool_call>
            {"name": "weather", "arguments": {"city": "Orléans", "days": 2}}
            </tool_call><|im_end|>
            <|im_start|>user
            <tool_response>
            sunny
            </tool_response>
            <tool_response>
            windy
            </tool_response><|im_end|>
            <|im_start|>assistant
            <think>

            </think>


            """,
            Formats.Of(PublishedStyles.Qwen).Render(messages, addGenerationPrompt: true, s_tools, new Dictionary<string, JsonElement> { ["enable_thinking"] = Json("false") }));
    }

    [Fact]
    public void Llama_takes_the_system_message_first_and_writes_the_date()
    {
        var format = Formats.Of(PublishedStyles.Llama, ("bos_token", "<|begin_of_text|>"));
        var rendered = format.Render(
            [new("system", " Be kind. "), new("user", " Hi "), new("assistant", "") { ToolCalls = s_calls }, new("tool", "sunny")],
            addGenerationPrompt: true, variables: new Dictionary<string, JsonElement> { ["date_string"] = Json("\"01 Jan 2026\"") });
        Assert.Equal(
            "<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\nToday Date: 01 Jan 2026\n\nBe kind.<|eot_id|>"
            + "<|start_header_id|>user<|end_header_id|>\n\nHi<|eot_id|>"
            + "<|start_header_id|>assistant<|end_header_id|>\n\n{\"name\": \"weather\", \"parameters\": {\"city\": \"Orléans\", \"days\": 2}}<|eot_id|>"
            + "<|start_header_id|>ipython<|end_header_id|>\n\n\"sunny\"<|eot_id|>"
            + "<|start_header_id|>assistant<|end_header_id|>\n\n",
            rendered);
    }

    [Fact]
    public void Mistral_puts_tools_and_system_message_before_the_last_question()
    {
        var format = Formats.Of(PublishedStyles.Mistral, ("bos_token", "<s>"), ("eos_token", "</s>"));
        Assert.Equal(
            "<s>[INST] One[/INST] Two</s>[AVAILABLE_TOOLS] [{\"type\": \"function\", \"function\": {\"name\": \"weather\", \"description\": \"Tells \"it\".\", "
            + "\"parameters\": {\"type\": \"object\", \"properties\": {\"city\": {\"type\": \"string\"}}}}}][/AVAILABLE_TOOLS][INST] Be kind.\n\nThree[/INST]",
            format.Render([new("system", "Be kind."), new("user", "One"), new("assistant", " Two "), new("user", "Three")], addGenerationPrompt: true, s_tools));
    }

    [Fact]
    public void Mistral_refuses_roles_that_do_not_alternate()
    {
        var format = Formats.Of(PublishedStyles.Mistral, ("bos_token", "<s>"), ("eos_token", "</s>"));
        var error = Assert.Throws<TemplateException>(() => format.Render([new("user", "One"), new("user", "Two")], addGenerationPrompt: true));
        Assert.True(error.RaisedByTemplate);
        Assert.StartsWith("After the optional system message", error.Reason, StringComparison.Ordinal);
    }

    [Fact]
    public void MiniMax_reads_content_in_parts_and_is_given_it_so()
    {
        Assert.Equal(
            "<beginning_of_sentence>system ai_setting=assistant\nBe kind.<end_of_sentence>\n"
            + "<beginning_of_sentence>user name=user\nHi<end_of_sentence>\n"
            + "<beginning_of_sentence>ai name=assistant\nHello<end_of_sentence>\n"
            + "<beginning_of_sentence>ai name=assistant\n",
            Formats.Of(PublishedStyles.MiniMax).Render([new("system", "Be kind."), new("user", "Hi"), new("assistant", "Hello")], addGenerationPrompt: true));
    }

    [Fact]
    public void Kimi_names_its_speakers()
    {
        Assert.Equal(
            "<|im_system|>tool_declare<|im_middle|>[{\"type\":\"function\",\"function\":{\"name\":\"weather\",\"description\":\"Tells \\\"it\\\".\",\"parameters\":{\"type\":\"object\",\"properties\":{\"city\":{\"type\":\"string\"}}}}}]<|im_end|>"
            + "<|im_system|>system<|im_middle|>You are helpful.<|im_end|>"
            + "<|im_user|>ada<|im_middle|>Hi<|im_end|>"
            + "<|im_assistant|>assistant<|im_middle|>Wait.<|tool_calls_section_begin|><|tool_call_begin|>call_1<|tool_call_argument_begin|>{\"city\": \"Orléans\", \"days\": 2}<|tool_call_end|><|tool_calls_section_end|><|im_end|>"
            + "<|im_system|>tool<|im_middle|>## Return of call_1\nsunny<|im_end|>"
            + "<|im_assistant|>assistant<|im_middle|>",
            Formats.Of(PublishedStyles.Kimi).Render(
                [new("user", "Hi") { Name = "ada" }, new("assistant", "Wait.") { ToolCalls = s_calls }, new("tool", "sunny") { ToolCallId = "call_1" }],
                addGenerationPrompt: true, s_tools));
    }

    [Fact]
    public void A_folder_may_hold_its_template_in_a_file_or_several_by_name()
    {
        using var folder = new TemporaryFolder();
        folder.Write("tokenizer_config.json", """
            {"eos_token": {"content": "</s>"}, "pad_token": null,
             "chat_template": [{"name": "default", "template": "D{{ eos_token }}"}, {"name": "tool_use", "template": "T"}]}
            """);
        var named = ChatFormat.Load(folder.Path);
        Assert.Equal("D</s>", named.Render([], addGenerationPrompt: false));
        Assert.Equal("T", named.Render([], addGenerationPrompt: false, s_tools));

        folder.Write("chat_template.jinja", "J{{ pad_token is defined }}{{ messages[0].content }}");
        Assert.Equal("JFalseHi", ChatFormat.Load(folder.Path).Render([new("user", "Hi")], addGenerationPrompt: false));
    }

    [Fact]
    public void A_folder_without_template_or_with_a_damaged_one_says_so()
    {
        using var folder = new TemporaryFolder();
        Assert.Throws<TemplateException>(() => ChatFormat.Load(folder.Path));
        folder.Write("tokenizer_config.json", "{}");
        Assert.Throws<TemplateException>(() => ChatFormat.Load(folder.Path));
        folder.Write("tokenizer_config.json", "{\"chat_template\": \"{{\"}");
        Assert.Throws<TemplateException>(() => ChatFormat.Load(folder.Path));
        folder.Write("tokenizer_config.json", "{\"chat_template\": 3}");
        Assert.Throws<TokenizerFormatException>(() => ChatFormat.Load(folder.Path));
        folder.Write("tokenizer_config.json", "{\"chat_template\"");
        Assert.Throws<TokenizerFormatException>(() => ChatFormat.Load(folder.Path));
        folder.Write("tokenizer_config.json", "[]");
        Assert.Throws<TokenizerFormatException>(() => ChatFormat.Load(folder.Path));
    }

    private static JsonElement Json(string text) => JsonDocument.Parse(text).RootElement;

    private sealed class TemporaryFolder : IDisposable
    {
        public string Path { get; } = Directory.CreateTempSubdirectory("loire-text-").FullName;

        public void Write(string name, string text) => File.WriteAllText(System.IO.Path.Combine(Path, name), text);

        public void Dispose() => Directory.Delete(Path, recursive: true);
    }
}
