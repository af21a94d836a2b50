using System.Text;
using Loire.Contracts;
using Loire.Store;

namespace Loire.Silo.Sessions;

/// <summary>What a turn has generated and passed on so far.</summary>
internal sealed class TurnAnswer
{
    private readonly List<int> _tokens = [];
    private readonly StringBuilder _text = new();
    private readonly List<CheckpointTaken> _checkpoints = [];

    public IReadOnlyList<int> Tokens => _tokens;

    public string Text => _text.ToString();

    public void Append(TokenChunk chunk)
    {
        _tokens.AddRange(chunk.Tokens);
        _text.Append(chunk.Text);
    }

    /// <summary>Keeps the two newest: the last may cover tokens that nobody was given.</summary>
    public void Append(CheckpointTaken checkpoint)
    {
        _checkpoints.Add(checkpoint);
        if (_checkpoints.Count > 2)
        {
            _checkpoints.RemoveAt(0);
        }
    }

    /// <summary>The newest checkpoint that covers no more than the prompt and these tokens.</summary>
    public (Digest? Address, int Tokens)? CheckpointWithin(int promptTokens)
    {
        for (var i = _checkpoints.Count - 1; i >= 0; i--)
        {
            if (_checkpoints[i].Tokens <= promptTokens + _tokens.Count)
            {
                return (Digest.Parse(_checkpoints[i].Address), _checkpoints[i].Tokens);
            }
        }

        return null;
    }
}
