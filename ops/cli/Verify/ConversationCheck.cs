using Loire.Engine.Replica;
using Loire.Text;

namespace Loire.Cli.Verify;

/// <summary>Holds the reference's conversations turn by turn, greedily, and compares them word for word; then the tokenizer's cases.</summary>
/// <param name="runner">Of the model.</param>
/// <param name="modelFolder">With its tokenizer.</param>
/// <param name="isWordForWord">Whether answers have to be the reference's; else they are counted only.</param>
/// <param name="output">Takes a line for each difference, and the counts.</param>
internal sealed class ConversationCheck(OfflineRunner runner, string modelFolder, bool isWordForWord, TextWriter output)
{
    private const int LongestAnswer = 128;

    private readonly Tokenizer _tokenizer = Tokenizer.Load(Path.Combine(modelFolder, "tokenizer.json"));
    private readonly ChatFormat _format = ChatFormat.Load(modelFolder);

    public bool Run(ConversationReference reference, CancellationToken cancellationToken)
    {
        var good = true;
        if (reference.Conversations.Count > 0)
        {
            var right = reference.Conversations.Count(conversation => Hold(conversation, cancellationToken));
            output.WriteLine($"conversations   {right}/{reference.Conversations.Count} word for word");
            good &= right == reference.Conversations.Count || !isWordForWord;
        }

        if (reference.Tokenizations.Count > 0)
        {
            var right = reference.Tokenizations.Count(IsExact);
            output.WriteLine($"tokenizations   {right}/{reference.Tokenizations.Count} exact");
            good &= right == reference.Tokenizations.Count;
        }

        return good;
    }

    private bool Hold(ConversationReference.Conversation conversation, CancellationToken cancellationToken)
    {
        List<ChatMessage> messages = [];
        var good = true;
        foreach (var turn in conversation.Turns)
        {
            cancellationToken.ThrowIfCancellationRequested();
            messages.Add(new ChatMessage("user", turn[0]));
            var answer = Answer(messages);
            if (answer != turn[1])
            {
                output.WriteLine($"  '{turn[0]}' is answered '{answer}'; '{turn[1]}' is expected");
                good = false;
            }

            messages.Add(new ChatMessage("assistant", turn[1]));
        }

        var ids = _format.Encode(messages, addGenerationPrompt: false, _tokenizer);
        return Same("the conversation's tokens", ids, conversation.Ids) && good;
    }

    private string Answer(List<ChatMessage> messages)
    {
        var prompt = _format.Encode(messages, addGenerationPrompt: true, _tokenizer);
        var generated = runner.Greedy(prompt, LongestAnswer);
        var end = generated.AsSpan().IndexOfAny(runner.Graph.EndTokens.AsSpan());
        return _tokenizer.Decode(end < 0 ? generated : generated.AsSpan(..end), skipSpecial: true);
    }

    private bool IsExact(ConversationReference.Tokenization tokenization)
    {
        var same = Same($"the tokens of '{tokenization.Text}'", _tokenizer.Encode(tokenization.Text), tokenization.Ids);
        var decoded = _tokenizer.Decode(tokenization.Ids);
        if (decoded != tokenization.Decoded)
        {
            output.WriteLine($"  '{tokenization.Text}' decodes to '{decoded}'; '{tokenization.Decoded}' is expected");
        }

        return same && decoded == tokenization.Decoded;
    }

    private bool Same(string what, ReadOnlySpan<int> found, ReadOnlySpan<int> expected)
    {
        if (found.SequenceEqual(expected))
        {
            return true;
        }

        var at = found.CommonPrefixLength(expected);
        output.WriteLine($"  {what} differ at position {at}: {Show(found, at)} instead of {Show(expected, at)} ({found.Length} tokens, {expected.Length} expected)");
        return false;
    }

    private static string Show(ReadOnlySpan<int> ids, int at) => at < ids.Length ? ids[at].ToString() : "the end";
}
