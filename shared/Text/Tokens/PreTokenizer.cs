namespace Loire.Text;

/// <summary>Receives the words that a pre-tokenizer cuts a text into.</summary>
internal interface IWordSink
{
    void Add(ReadOnlySpan<char> word);
}

/// <summary>Cuts text into words step by step; merges never cross the cuts.</summary>
internal sealed class PreTokenizer(IReadOnlyList<PreTokenizerStep> steps)
{
    public void Split(ReadOnlySpan<char> text, IWordSink words) => Run(0, text, words);

    internal void Run(int step, ReadOnlySpan<char> text, IWordSink words)
    {
        if (text.IsEmpty)
        {
            return;
        }

        if (step == steps.Count)
        {
            words.Add(text);
            return;
        }

        steps[step].Split(text, new Rest(this, step + 1, words));
    }

    /// <summary>The steps that follow one, as the place where its pieces go.</summary>
    internal readonly struct Rest(PreTokenizer owner, int step, IWordSink words)
    {
        public void Add(ReadOnlySpan<char> piece) => owner.Run(step, piece, words);
    }
}

internal abstract class PreTokenizerStep
{
    public abstract void Split(ReadOnlySpan<char> text, PreTokenizer.Rest rest);
}

/// <summary>Puts a space before text that has none, as byte-level tokenizers with <c>add_prefix_space</c> do.</summary>
internal sealed class PrefixSpaceStep : PreTokenizerStep
{
    public override void Split(ReadOnlySpan<char> text, PreTokenizer.Rest rest)
    {
        if (text[0] == ' ')
        {
            rest.Add(text);
        }
        else
        {
            rest.Add(string.Concat(" ", text));
        }
    }
}

/// <summary>What happens to the matches of a <c>Split</c>.</summary>
internal enum SplitBehavior
{
    /// <summary>A match is a word of its own.</summary>
    Isolated,

    /// <summary>A match is dropped.</summary>
    Removed,

    /// <summary>A match ends the word before it.</summary>
    MergedWithPrevious,

    /// <summary>A match begins the word after it.</summary>
    MergedWithNext,

    /// <summary>Matches that touch are one word.</summary>
    Contiguous,
}

/// <summary>Cuts at the matches of a pattern, or with <paramref name="invert"/> at what lies between them.</summary>
internal sealed class SplitStep(WordPattern pattern, SplitBehavior behavior, bool invert) : PreTokenizerStep
{
    public override void Split(ReadOnlySpan<char> text, PreTokenizer.Rest rest)
    {
        if (behavior == SplitBehavior.Isolated)
        {
            Isolate(text, rest);
            return;
        }

        foreach (var (start, end) in Cut(text))
        {
            rest.Add(text[start..end]);
        }
    }

    private void Isolate(ReadOnlySpan<char> text, PreTokenizer.Rest rest)
    {
        var done = 0;
        foreach (var (start, end) in pattern.Matches(text))
        {
            rest.Add(text[done..start]);
            rest.Add(text[start..end]);
            done = end;
        }

        rest.Add(text[done..]);
    }

    private List<TextRange> Cut(ReadOnlySpan<char> text)
    {
        var words = new List<TextRange>();
        var wasDelimiter = false;
        foreach (var (range, isMatch) in Pieces(text))
        {
            var isDelimiter = isMatch != invert;
            var joins = words.Count > 0 && behavior switch
            {
                SplitBehavior.MergedWithPrevious => isDelimiter && !wasDelimiter,
                SplitBehavior.MergedWithNext => wasDelimiter && !isDelimiter,
                SplitBehavior.Contiguous => wasDelimiter == isDelimiter,
                _ => false,
            };
            if (joins)
            {
                words[^1] = words[^1] with { End = range.End };
            }
            else if (behavior != SplitBehavior.Removed || !isDelimiter)
            {
                words.Add(range);
            }

            wasDelimiter = isDelimiter;
        }

        return words;
    }

    private List<(TextRange Range, bool IsMatch)> Pieces(ReadOnlySpan<char> text)
    {
        var pieces = new List<(TextRange, bool)>();
        var done = 0;
        foreach (var match in pattern.Matches(text))
        {
            if (match.Start > done)
            {
                pieces.Add((new TextRange(done, match.Start), false));
            }

            pieces.Add((match, true));
            done = match.End;
        }

        if (done < text.Length)
        {
            pieces.Add((new TextRange(done, text.Length), false));
        }

        return pieces;
    }
}
