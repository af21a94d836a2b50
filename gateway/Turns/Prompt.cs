using System.Collections.Immutable;
using Loire.Contracts;

namespace Loire.Gateway;

/// <summary>What a request asks to be continued, before it is known on top of which history.</summary>
internal interface IPrompt
{
    /// <summary>The request's field, for messages.</summary>
    string Field { get; }

    bool IsCompletion { get; }

    /// <summary>Tokens on top of a history, or from nothing.</summary>
    /// <exception cref="ClusterException">It does not fit the model, or cannot go on from there.</exception>
    PromptTokens Encode(ServedModel model, SessionHistory? history);
}

/// <summary>A prompt in tokens: the first <see cref="Keep"/> are the history's own, <see cref="New"/> follow.</summary>
/// <param name="Keep">Tokens of the history that stay.</param>
/// <param name="New">What follows them. At least one.</param>
/// <param name="KeepMessages">Messages of the history that stay.</param>
/// <param name="Messages">What follows them.</param>
internal readonly record struct PromptTokens(int Keep, ImmutableArray<int> New, int KeepMessages, ImmutableArray<TranscriptMessage> Messages)
{
    public int Total => Keep + New.Length;
}
