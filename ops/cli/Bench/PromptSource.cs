using System.Text;
using Loire.Cli.Recall;
using Loire.Engine.Models;
using Loire.Text;

namespace Loire.Cli.Bench;

/// <summary>Prompts of a given length, of the text that the model knows where it has any: no two are the same, and each run has the same ones.</summary>
internal sealed class PromptSource
{
    private readonly string[] _sentences;
    private readonly Tokenizer _tokenizer;
    private int _next;

    public PromptSource(ModelFolder model)
    {
        _tokenizer = Tokenizer.Load(Path.Combine(model.Path, "tokenizer.json"));
        var recall = Path.Combine(model.Path, "recall.json");
        _sentences = File.Exists(recall)
            ? [.. RecallFile.Read(recall).SelectMany(conversation => conversation.Messages).Select(turn => turn.User)]
            : [.. Enumerable.Range(0, 500).Select(number => $"The {number}th thing that I want to tell you is number {number * 7919 % 1000}.")];
    }

    public int[] Next(int tokens) => _tokenizer.Encode(TextOf(tokens))[..tokens];

    /// <summary>Text of about so many tokens, and no fewer.</summary>
    public string TextOf(int tokens)
    {
        var text = new StringBuilder();
        for (var count = 0; count < tokens; _next = (_next + 1) % _sentences.Length)
        {
            var sentence = _sentences[_next] + " ";
            count += _tokenizer.Encode(sentence).Length - 1; // joined, some sentences have a token less
            text.Append(sentence);
        }

        return text.ToString();
    }
}
